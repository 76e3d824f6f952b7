#include "common/replication/envelope.h"

#include <utility>

#include "common/replication/coding.h"

namespace matricula::replication {

raft::Payload Seal(const raft::Ticket& name, std::string_view command) {
  std::string bytes;
  bytes.reserve(kEnvelopeBytes + command.size());
  AppendLittleEndian(bytes, name.node.value());
  AppendLittleEndian(bytes, name.incarnation);
  AppendLittleEndian(bytes, name.number);
  bytes += command;
  return raft::Payload(std::move(bytes));
}

std::optional<Envelope> OpenEnvelope(std::string_view bytes) {
  uint64_t node = 0;
  Envelope envelope;
  if (!TakeLittleEndian(bytes, node) || !TakeLittleEndian(bytes, envelope.name.incarnation) ||
      !TakeLittleEndian(bytes, envelope.name.number)) {
    return std::nullopt;
  }
  envelope.name.node = raft::NodeId(node);
  envelope.command = bytes;
  return envelope;
}

}  // namespace matricula::replication
