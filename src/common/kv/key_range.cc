#include "common/kv/key_range.h"

#include "common/kv/rows.h"

namespace matricula::kv {

std::string KeyRange::LowerRow() const {
  std::string row;
  AppendFamily(row, begin_);
  return row;
}

std::string KeyRange::UpperRow() const {
  if (unbounded_) return std::string(1, kDataTable + 1);
  std::string row;
  if (!single_) {
    AppendFamily(row, end_);
    return row;
  }
  AppendFamily(row, begin_);
  ++row.back();  // behind every version of the key
  return row;
}

}  // namespace matricula::kv
