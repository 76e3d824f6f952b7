#include "common/base/hash64.h"

#include <bit>
#include <cstring>

namespace matricula::base {
namespace {

// Odd, with about as many ones as zeros, and without a pattern: from the digits of the golden
// ratio and of the square roots of 2 and 3.
constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
constexpr uint64_t kRootOf2 = 0x6a09e667f3bcc909;
constexpr uint64_t kRootOf3 = 0xbb67ae8584caa73b;

static_assert(std::endian::native == std::endian::little, "words are read as they stand");

// Of up to 8 bytes, as a little-endian number.
uint64_t Word(std::string_view bytes) {
  uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return word;
}

uint64_t Add(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * kGolden;
  return hash ^ hash >> 31;
}

}  // namespace

uint64_t Mix64(uint64_t value) {
  value = (value ^ value >> 32) * kRootOf2;
  value = (value ^ value >> 29) * kRootOf3;
  return value ^ value >> 32;
}

uint64_t Hash64(uint64_t seed, std::string_view bytes) {
  uint64_t hash = Mix64(seed ^ (bytes.size() + 1) * kGolden);
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) hash = Add(hash, Word(bytes.substr(0, 8)));
  if (!bytes.empty()) hash = Add(hash, Word(bytes));
  return Mix64(hash);
}

}  // namespace matricula::base
