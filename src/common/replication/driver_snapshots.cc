#include <algorithm>
#include <utility>

#include "common/base/ensure.h"
#include "common/replication/driver.h"

// Snapshots on their way out and in.
namespace matricula::replication {

using base::Code;
using base::Status;

Status Driver::MoveSnapshots() {
  for (const raft::Ticket& transfer : in_hand_->snapshots_released) outgoing_.erase(transfer);
  for (const raft::SnapshotWanted& wanted : in_hand_->snapshots_wanted) {
    WantSnapshot(wanted.transfer);
  }
  for (const raft::ChunkOrder& order : in_hand_->chunks_to_send) RETURN_IF_ERROR(SendChunk(order));
  if (in_hand_->discard_staged) RETURN_IF_ERROR(state_machine_.DiscardStaged());
  for (const raft::StagedChunk& chunk : in_hand_->chunks_to_stage) {
    RETURN_IF_ERROR(StageChunk(chunk));
  }
  return {};
}

// Peers share a snapshot as long as the log goes on where it ends.
void Driver::WantSnapshot(const raft::Ticket& transfer) {
  ++counts_.snapshots_begun;
  for (const auto& [other, outgoing] : outgoing_) {
    if (outgoing->source->meta().index + 1 < log_.FirstIndex()) continue;
    const std::shared_ptr<Outgoing> shared = outgoing;
    outgoing_[transfer] = shared;
    if (shared->ready) AnnounceSnapshot(transfer, *shared->source);
    return;
  }
  std::shared_ptr<SnapshotSource> source = state_machine_.PinSnapshot();
  if (source == nullptr) {
    core_->SnapshotFailed(transfer);
    return;
  }
  ENSURE(source->meta() == applied_, "a snapshot is of what has been applied last");
  outgoing_[transfer] = std::make_shared<Outgoing>(Outgoing{std::move(source), false, false});
}

void Driver::AnnounceSnapshot(const raft::Ticket& transfer, const SnapshotSource& source) {
  core_->SnapshotReady(transfer, source.meta(), source.TotalBytes());
}

std::shared_ptr<SnapshotSource> Driver::TakeSnapshotToPrepare() {
  for (auto& [transfer, outgoing] : outgoing_) {
    if (!std::exchange(outgoing->taken, true)) return outgoing->source;
  }
  return nullptr;
}

void Driver::SnapshotPrepared(const std::shared_ptr<SnapshotSource>& source, const Status& status) {
  if (!failure_.ok()) return;
  if (!status.ok()) {
    Fail(status);
    return;
  }
  for (auto& [transfer, outgoing] : outgoing_) {
    if (outgoing->source != source) continue;
    outgoing->ready = true;
    AnnounceSnapshot(transfer, *source);
  }
}

Status Driver::SendChunk(const raft::ChunkOrder& order) {
  const auto found = outgoing_.find(order.transfer);
  if (found == outgoing_.end()) return {};
  ENSURE(found->second->ready && found->second->source->meta() == order.meta,
         "the core wants a piece of a snapshot that it was not given");
  base::Result<std::string> bytes = found->second->source->Read(order.offset, order.size_bytes);
  if (!bytes.ok()) return bytes.status();
  transport_.Send(raft::MakeChunk(options_.raft.id, order, std::move(*bytes)));
  return {};
}

Status Driver::StageChunk(const raft::StagedChunk& chunk) {
  RETURN_IF_ERROR(state_machine_.Stage(chunk.offset, chunk.bytes.view()));
  if (!chunk.last) return {};
  Status check = state_machine_.CheckStaged(chunk.meta);
  if (!check.ok() && check.code() != Code::kDataLoss) return check;
  core_->SnapshotStored(chunk.transfer, check.ok());
  return {};
}

}  // namespace matricula::replication
