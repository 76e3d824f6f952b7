#include "common/storage/engine.h"

namespace matricula::storage {

std::string_view FilteredPart(std::string_view key) {
  if (key.starts_with(kFilteredTable)) return key;
  // An empty part of the key rather than {}: RocksDB compares these and wants an address.
  if (!key.starts_with(kFamilyTable)) return key.substr(0, 0);
  const size_t end = key.find(std::string_view("\0\1", 2));
  return end == std::string_view::npos ? key : key.substr(0, end + 2);
}

base::Status Engine::GetMany(std::span<const std::string> keys, const Snapshot* snapshot,
                             Found found) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto value = Get(keys[i], snapshot);
    if (value.ok()) {
      found(i, *value);
    } else if (value.status().code() != base::Code::kNotFound) {
      return value.status();
    }
  }
  return {};
}

}  // namespace matricula::storage
