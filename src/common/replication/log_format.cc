#include "common/replication/log_format.h"

#include <algorithm>

#include "common/base/crc32c.h"
#include "common/base/newer.h"
#include "common/replication/coding.h"
#include "common/replication/mutant.h"

namespace matricula::replication {
namespace {

constexpr uint8_t kVersion = 1;

base::Status Damaged(const char* what) { return {base::Code::kDataLoss, what}; }

uint32_t ChecksumOf(uint32_t checksum_before, raft::Index index, std::string_view body) {
  std::string head;
  AppendLittleEndian(head, checksum_before);
  AppendLittleEndian(head, index.value());
  return base::Crc32c(base::Crc32c(0, head), body);
}

}  // namespace

std::string EncodeDescription(const LogDescription& description) {
  std::string out;
  AppendLittleEndian(out, kVersion);
  AppendLittleEndian(out, description.incarnation);
  AppendLittleEndian(out, description.hard_state.term.value());
  AppendLittleEndian(out, description.hard_state.vote.value());
  AppendLittleEndian(out, description.hard_state.commit.value());
  AppendLittleEndian(out, description.first.value());
  AppendLittleEndian(out, description.base_term.value());
  AppendLittleEndian(out, description.base_checksum);
  AppendLittleEndian(out, description.last.value());
  AppendLittleEndian(out, description.last_checksum);
  AppendLittleEndian(out, base::Crc32c(0, out));
  return out;
}

base::Result<LogDescription> DecodeDescription(std::string_view bytes) {
  constexpr size_t kChecksumBytes = sizeof(uint32_t);
  const std::string_view body =
      bytes.substr(0, bytes.size() - std::min(bytes.size(), kChecksumBytes));
  std::string_view checksum_bytes = bytes.substr(body.size());
  uint32_t checksum = 0;
  if (!TakeLittleEndian(checksum_bytes, checksum) || checksum != base::Crc32c(0, body)) {
    return Damaged("the description of the raft log is damaged");
  }
  std::string_view rest = body;
  uint8_t version = 0;
  uint64_t numbers[7] = {};
  LogDescription description;
  bool good = TakeLittleEndian(rest, version);
  if (good && version > kVersion) return base::NewerFormat("the raft log", version, kVersion);
  good = good && version == kVersion;
  for (int i = 0; good && i < 6; ++i) good = TakeLittleEndian(rest, numbers[i]);
  good = good && TakeLittleEndian(rest, description.base_checksum) &&
         TakeLittleEndian(rest, numbers[6]) && TakeLittleEndian(rest, description.last_checksum) &&
         rest.empty();
  if (!good) return Damaged("the description of the raft log is not in a known format");
  description.incarnation = numbers[0];
  description.hard_state = {raft::Term(numbers[1]), raft::NodeId(numbers[2]),
                            raft::Index(numbers[3])};
  description.first = raft::Index(numbers[4]);
  description.base_term = raft::Term(numbers[5]);
  description.last = raft::Index(numbers[6]);
  return description;
}

std::string EntryKey(raft::Index index) {
  std::string key(kEntryPrefix);
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(index.value() >> shift & 0xff));
  }
  return key;
}

raft::Index ParseEntryKey(std::string_view key) {
  if (key.size() != kEntryPrefix.size() + sizeof(uint64_t) || !key.starts_with(kEntryPrefix)) {
    return raft::Index(0);
  }
  uint64_t index = 0;
  for (const char byte : key.substr(kEntryPrefix.size())) {
    index = index << 8 | static_cast<unsigned char>(byte);
  }
  return raft::Index(index);
}

EncodedEntry EncodeEntry(const raft::Entry& entry, uint32_t checksum_before) {
  std::string body;
  body.reserve(sizeof(uint64_t) + 1 + entry.payload.size());
  AppendLittleEndian(body, entry.term.value());
  AppendLittleEndian(body, static_cast<uint8_t>(entry.type));
  body += entry.payload.view();
  EncodedEntry encoded;
  encoded.checksum = ChecksumOf(checksum_before, entry.index, body);
  encoded.value.reserve(sizeof(uint32_t) + body.size());
  AppendLittleEndian(encoded.value, encoded.checksum);
  encoded.value += body;
  return encoded;
}

base::Result<DecodedEntry> DecodeEntry(raft::Index index, std::string_view value,
                                       uint32_t checksum_before) {
  DecodedEntry decoded;
  if (!TakeLittleEndian(value, decoded.checksum)) return Damaged("too short");
  if (decoded.checksum != ChecksumOf(checksum_before, index, value) && !MutantIs(56)) {
    return Damaged("its checksum is wrong");
  }
  uint64_t term = 0;
  uint8_t type = 0;
  if (!TakeLittleEndian(value, term) || !TakeLittleEndian(value, type)) return Damaged("too short");
  if (type > static_cast<uint8_t>(raft::EntryType::kConf)) return Damaged("an unknown type");
  decoded.entry = {index, raft::Term(term), static_cast<raft::EntryType>(type),
                   raft::Payload(std::string(value))};
  return decoded;
}

}  // namespace matricula::replication
