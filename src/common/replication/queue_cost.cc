#include "common/replication/queue_cost.h"

#include <variant>

namespace matricula::replication {

size_t QueueCost(const raft::Message& message) {
  size_t bytes = sizeof(raft::Message);
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    for (const raft::Entry& entry : append->entries) bytes += entry.Cost();
  } else if (const auto* chunk = std::get_if<raft::SnapshotChunk>(&message.body)) {
    bytes += chunk->bytes.size();
  } else if (const auto* request = std::get_if<raft::ProposeRequest>(&message.body)) {
    for (const raft::Payload& payload : request->payloads) bytes += payload.size();
  }
  return bytes;
}

}  // namespace matricula::replication
