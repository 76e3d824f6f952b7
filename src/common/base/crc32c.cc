#include "common/base/crc32c.h"

#include <isa-l/crc.h>

namespace matricula::base {

uint32_t Crc32c(uint32_t crc, std::string_view data) {
  // crc32_iscsi only reads, but its C signature lacks the const. It works on the inverted register.
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(data.data()));
  return ~crc32_iscsi(bytes, static_cast<int>(data.size()), ~crc);
}

}  // namespace matricula::base
