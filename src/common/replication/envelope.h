#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/raft/types.h"

// What stands around every command in the log: the name of the proposal, so that the node where it
// was made recognises it.
// Format, little-endian: u64 node, u64 incarnation, u64 number; then the command.
namespace matricula::replication {

inline constexpr size_t kEnvelopeBytes = 24;

struct Envelope {
  raft::Ticket name;
  std::string_view command;  // within the bytes it was opened from
};

raft::Payload Seal(const raft::Ticket& name, std::string_view command);
// Nothing if there is no whole name.
std::optional<Envelope> OpenEnvelope(std::string_view bytes);

}  // namespace matricula::replication
