#include "common/storage/engine.h"

namespace matricula::storage {

std::string_view FamilyOf(std::string_view key) {
  if (key.empty() || key.front() != kFamilyTable) return {};
  const size_t end = key.find(std::string_view("\0\1", 2));
  return end == std::string_view::npos ? key : key.substr(0, end + 2);
}

}  // namespace matricula::storage
