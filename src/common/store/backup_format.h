#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/kv/coding.h"

// The pieces of the format that backup.h describes.
namespace matricula::store {

inline constexpr std::string_view kBackupMagic = "matricula backup 1\n";
inline constexpr std::string_view kBackupKind = "matricula backup ";  // before the version
inline constexpr char kBackupPart = 1;
inline constexpr char kBackupEnd = 0;
inline constexpr size_t kBackupBlockBytes = 512;
inline constexpr size_t kPartHeaderBytes = 1 + 2 + 8;  // and the name
inline constexpr size_t kPartTrailerBytes = 4;
inline constexpr size_t kMaxPartNameBytes = 255;

inline std::string PartHeader(std::string_view name, uint64_t size) {
  std::string header(1, kBackupPart);
  header += static_cast<char>(name.size() >> 8 & 0xff);
  header += static_cast<char>(name.size() & 0xff);
  kv::AppendBigEndian64(header, size);
  header += name;
  return header;
}

}  // namespace matricula::store
