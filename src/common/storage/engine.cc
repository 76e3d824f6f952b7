#include "common/storage/engine.h"

namespace matricula::storage {

std::string_view FamilyOf(std::string_view key) {
  // An empty part of the key rather than {}: RocksDB compares families and wants an address.
  if (key.empty() || key.front() != kFamilyTable) return key.substr(0, 0);
  const size_t end = key.find(std::string_view("\0\1", 2));
  return end == std::string_view::npos ? key : key.substr(0, end + 2);
}

}  // namespace matricula::storage
