#include "common/base/newer.h"

#include <string>

namespace matricula::base {

Status NewerFormat(std::string_view what, uint64_t found, uint64_t known) {
  return {Code::kFailedPrecondition,
          std::string(what) + " was written by a newer version of this program (format " +
              std::to_string(found) + ", this one knows " + std::to_string(known) + ")"};
}

}  // namespace matricula::base
