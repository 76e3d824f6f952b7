#pragma once

#include <string>
#include <string_view>

#include "common/base/status.h"
#include "common/raft/message.h"

namespace matricula::replication {

// A message of the core as bytes for the wire. Format, little-endian: u8 place in raft::Body; u64
// from, to, term; then the body's fields in the order of message.h: numbers as u64, flags as u8,
// bytes with their u64 length before them, lists with their u64 count.
std::string EncodeMessage(const raft::Message& message);
// InvalidArgument if the bytes are not what EncodeMessage writes.
base::Result<raft::Message> DecodeMessage(std::string_view bytes);

}  // namespace matricula::replication
