#pragma once

#include <cstdint>
#include <string_view>

namespace matricula::base {

// CRC-32C (Castagnoli) of `data`, going on from `crc`, the checksum of what came before it
// (0 at the start): Crc32c(Crc32c(0, a), b) == Crc32c(0, a + b). RFC 3720 appendix B.4.
uint32_t Crc32c(uint32_t crc, std::string_view data);

}  // namespace matricula::base
