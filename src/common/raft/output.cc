#include "common/raft/output.h"

#include <utility>

namespace matricula::raft {

bool Output::Empty() const { return early_messages.empty() && reads.empty() && OnlyTalk(); }

bool Output::OnlyTalk() const {
  return !NeedsSync() && late_messages.empty() && committed.empty() && proposals.empty() &&
         snapshots_released.empty() && snapshots_wanted.empty() && chunks_to_send.empty() &&
         !discard_staged && chunks_to_stage.empty() && !standing;
}

Message MakeChunk(NodeId from, const ChunkOrder& order, Payload bytes) {
  return {
      from, order.to, order.term,
      SnapshotChunk{order.transfer, order.meta, order.offset, order.total_bytes, std::move(bytes)}};
}

}  // namespace matricula::raft
