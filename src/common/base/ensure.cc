#include "common/base/ensure.h"

#include <cstdio>
#include <cstdlib>

namespace matricula::base {

void EnsureFailed(const char* file, int line, const char* condition, const char* meaning) {
  std::fprintf(stderr, "bug: %s (%s) at %s:%d\n", meaning, condition, file, line);
  std::abort();
}

}  // namespace matricula::base
