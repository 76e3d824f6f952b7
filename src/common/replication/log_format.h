#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/raft/types.h"

// The raft log in an engine, to the byte. Numbers in keys are big-endian, in values little-endian.
//
//   "rl" index:8   an entry: u32 checksum; u64 term; u8 type; payload
//   "rd"           the log's description, rewritten with every write:
//                  u8 version = 1; u64 incarnation; u64 term; u64 vote; u64 commit;
//                  u64 first; u64 term of first - 1; u32 checksum of first - 1;
//                  u64 last; u32 checksum of last; u32 CRC-32C of all before
//
// An entry's checksum is the CRC-32C of the checksum of the entry before it, its own index, and its
// value after the checksum. So the checksums are a chain: an entry that is sound in itself, but not
// the one that was written after its neighbour, is found out too.
namespace matricula::replication {

// In EngineSnapshots::kTable, which no snapshot takes along.
inline constexpr std::string_view kDescriptionKey = "rd";
inline constexpr std::string_view kEntryPrefix = "rl";
inline constexpr std::string_view kEntryPrefixEnd = "rm";  // after every entry's key

struct LogDescription {
  uint64_t incarnation = 0;
  raft::HardState hard_state;
  raft::Index first{1};
  raft::Term base_term;  // of first - 1
  uint32_t base_checksum = 0;
  raft::Index last;
  uint32_t last_checksum = 0;
  friend bool operator==(const LogDescription&, const LogDescription&) = default;
};

std::string EncodeDescription(const LogDescription& description);
// DataLoss: not what EncodeDescription writes. FailedPrecondition: a newer version wrote it.
base::Result<LogDescription> DecodeDescription(std::string_view bytes);

std::string EntryKey(raft::Index index);
// 0 if it is no entry's key.
raft::Index ParseEntryKey(std::string_view key);

struct EncodedEntry {
  std::string value;
  uint32_t checksum = 0;
};
EncodedEntry EncodeEntry(const raft::Entry& entry, uint32_t checksum_before);

struct DecodedEntry {
  raft::Entry entry;
  uint32_t checksum = 0;
};
// DataLoss: too short, an unknown type, or not the entry that followed `checksum_before`.
base::Result<DecodedEntry> DecodeEntry(raft::Index index, std::string_view value,
                                       uint32_t checksum_before);

}  // namespace matricula::replication
