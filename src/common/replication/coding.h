#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Little-endian numbers of fixed width, as they stand in this folder's formats.
namespace matricula::replication {

template <class Number>
void AppendLittleEndian(std::string& out, Number value) {
  for (size_t i = 0; i < sizeof(Number); ++i) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff));
  }
}

// Takes a number off the front of `bytes`; false if there is no whole one.
template <class Number>
bool TakeLittleEndian(std::string_view& bytes, Number& value) {
  if (bytes.size() < sizeof(Number)) return false;
  uint64_t raw = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    raw |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  value = static_cast<Number>(raw);
  bytes.remove_prefix(sizeof(Number));
  return true;
}

}  // namespace matricula::replication
