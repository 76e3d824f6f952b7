#include "common/kv/key_range.h"

#include "common/kv/rows.h"

namespace matricula::kv {

std::string KeyRange::LowerRow() const { return KeyRow(begin_); }

std::string KeyRange::UpperRow() const {
  return unbounded_ ? std::string(1, kKeyTable + 1) : KeyRow(end_);
}

}  // namespace matricula::kv
