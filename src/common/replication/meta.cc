#include "common/replication/meta.h"

#include <utility>

#include "common/raft/membership.h"
#include "common/replication/coding.h"

namespace matricula::replication {
namespace {

constexpr uint8_t kVersion = 1;

base::Status Malformed() {
  return {base::Code::kDataLoss, "the note of what was applied is not in a known format"};
}

}  // namespace

std::string EncodeMeta(const raft::SnapshotMeta& meta) {
  std::string out;
  AppendLittleEndian(out, kVersion);
  AppendLittleEndian(out, meta.index.value());
  AppendLittleEndian(out, meta.term.value());
  if (meta.conf != raft::ConfState{}) out += raft::EncodeConfEntry({meta.conf, {}}).view();
  return out;
}

base::Result<raft::SnapshotMeta> DecodeMeta(std::string_view bytes) {
  uint8_t version = 0;
  uint64_t index = 0;
  uint64_t term = 0;
  if (!TakeLittleEndian(bytes, version) || version != kVersion || !TakeLittleEndian(bytes, index) ||
      !TakeLittleEndian(bytes, term)) {
    return Malformed();
  }
  raft::SnapshotMeta meta{raft::Index(index), raft::Term(term), {}};
  if (bytes.empty()) return meta;
  base::Result<raft::ConfEntry> conf = raft::DecodeConfEntry(bytes);
  if (!conf.ok() || conf->context.size() != 0) return Malformed();
  meta.conf = std::move(conf->conf);
  return meta;
}

}  // namespace matricula::replication
