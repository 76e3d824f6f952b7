#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/raft/message.h"

namespace matricula::replication {

// A SnapshotMeta as bytes, for state machines to keep beside their data.
// Format, little-endian: u8 version = 1; u64 index; u64 term; then the configuration as
// EncodeConfEntry writes it, or nothing if none is known (yet, on a node that joins).
std::string EncodeMeta(const raft::SnapshotMeta& meta);
// DataLoss if the bytes are not what EncodeMeta writes.
base::Result<raft::SnapshotMeta> DecodeMeta(std::string_view bytes);

}  // namespace matricula::replication
