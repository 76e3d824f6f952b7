#include "common/kv/format.h"

#include "common/base/newer.h"
#include "common/kv/rows.h"

namespace matricula::kv {

using base::Code;

base::Status CheckFormat(const storage::Engine& engine) {
  const auto row = engine.Get(kFormatRow, nullptr);
  if (!row.ok()) return row.status();
  int64_t version = 0;
  if (!ParseTtl(*row, version) || version < 1) {
    return {Code::kDataLoss, "the row that says the format of the data is damaged"};
  }
  if (version <= static_cast<int64_t>(kFormatVersion)) return {};
  return base::NewerFormat("the data", static_cast<uint64_t>(version), kFormatVersion);
}

}  // namespace matricula::kv
