// Snapshots on their way: thesis §5.1 and figure 5.3. The arithmetic of chunks is in snapshot.h,
// the driver's part is described at Core.
#include <algorithm>
#include <utility>

#include "common/base/ensure.h"
#include "common/raft/machine.h"
#include "common/raft/mutant.h"

namespace matricula::raft {

using base::OkStatus;
using base::Status;

void Machine::WantSnapshot(NodeId to, Progress& peer) {
  if (!peer.active) return;  // whoever does not answer would not receive one
  peer.BecomeSnapshot(NextTicket(), log_.applied());
  out_.snapshots_wanted.push_back({to, peer.transfer()});
}

void Machine::ReleaseSnapshot(Progress& peer) {
  if (peer.state() != Progress::State::kSnapshot) return;
  peer.sender.reset();
  const auto told = std::remove_if(
      out_.snapshots_wanted.begin(), out_.snapshots_wanted.end(),
      [&](const SnapshotWanted& wanted) { return wanted.transfer == peer.transfer(); });
  if (told == out_.snapshots_wanted.end()) out_.snapshots_released.push_back(peer.transfer());
  out_.snapshots_wanted.erase(told, out_.snapshots_wanted.end());
}

// The peer that waits for this snapshot; nullptr if none does any more.
Progress* Machine::FindTransfer(const Ticket& transfer) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return nullptr;
  for (auto& [id, peer] : leader->peers) {
    if (peer.state() == Progress::State::kSnapshot && peer.transfer() == transfer) return &peer;
  }
  return nullptr;
}

void Machine::SnapshotReady(const Ticket& transfer, const SnapshotMeta& meta,
                            uint64_t total_bytes) {
  Progress* peer = FindTransfer(transfer);
  if (peer == nullptr || peer->sender) return;
  if (meta.index + 1 < log_.first()) {
    // The log has moved on: after this snapshot another one would be needed.
    SnapshotFailed(transfer);
    return;
  }
  peer->sender.emplace(transfer, meta, total_bytes, config_.snapshot_chunk_bytes,
                       config_.max_inflight_chunks);
  CheckInvariants();
}

void Machine::SnapshotFailed(const Ticket& transfer) {
  Progress* peer = FindTransfer(transfer);
  if (peer == nullptr) return;
  ReleaseSnapshot(*peer);
  peer->BecomeProbe();
  peer->Pause();
}

void Machine::OrderChunks(Leader& leader) {
  for (auto& [id, peer] : leader.peers) {
    if (!peer.sender) continue;
    const ChunkSender& sender = *peer.sender;
    while (const auto range = peer.sender->Next()) {
      out_.chunks_to_send.push_back({id, term_, sender.transfer(), sender.meta(), range->offset,
                                     range->size_bytes, sender.total_bytes()});
    }
  }
}

Status Machine::On(const Message&, const SnapshotChunkReply& reply) {
  Progress* peer = FindTransfer(reply.transfer);
  if (peer == nullptr || !peer->sender) return OkStatus();
  if (reply.failed) {
    SnapshotFailed(reply.transfer);
  } else {
    peer->sender->OnReply(reply.next_offset, reply.restart);
  }
  return OkStatus();
}

// Chunks of it that have not left yet are of no use either.
void Machine::DiscardStaged() {
  out_.discard_staged = true;
  out_.chunks_to_stage.clear();
}

// True if the log holds all that the snapshot stands for: there is nothing to install.
bool Machine::AlreadyHas(const SnapshotMeta& meta) {
  if (MutantIs(12)) return false;
  if (meta.index <= log_.commit()) return true;
  if (!log_.Has(meta.index, meta.term)) return false;
  // Figure 5.3, step 6: the entry is here too, and what is in a snapshot is committed.
  log_.CommitTo(meta.index);
  return true;
}

void Machine::AcknowledgeCommit(NodeId to) {
  Send(to, AppendReply{true, log_.commit(), Index(0), Index(0), Term(0)}, When::kLate);
}

Status Machine::On(const Message& message, const SnapshotChunk& chunk) {
  FollowLeader(message.from);
  auto& receiver = std::get<Follower>(role_).receiver;
  if (receiver && chunk.transfer < receiver->transfer()) return OkStatus();  // overtaken
  if (AlreadyHas(chunk.meta)) {
    if (receiver) DiscardStaged();
    receiver.reset();
    AcknowledgeCommit(message.from);
    return OkStatus();
  }
  SnapshotChunkReply reply{chunk.transfer, 0, false, false};
  if (!receiver || receiver->transfer() != chunk.transfer) {
    if (chunk.offset != 0 || chunk.bytes.size() == 0) {
      reply.restart = true;  // this node started anew in the middle
      Send(message.from, reply, When::kLate);
      return OkStatus();
    }
    receiver.emplace(chunk);
  }
  if (receiver->Take(chunk)) {
    out_.chunks_to_stage.push_back(
        {chunk.transfer, chunk.meta, chunk.offset, chunk.bytes, receiver->complete()});
  }
  reply.next_offset = receiver->next_offset();
  Send(message.from, reply, When::kLate);
  return OkStatus();
}

void Machine::SnapshotStored(const Ticket& transfer, bool good) {
  auto* follower = std::get_if<Follower>(&role_);
  const bool expected = follower != nullptr && follower->receiver &&
                        follower->receiver->transfer() == transfer &&
                        follower->receiver->complete();
  if (!expected) return;  // given up meanwhile; LeaveRole had it discarded
  const SnapshotMeta meta = follower->receiver->meta();
  follower->receiver.reset();
  if (!good) {
    DiscardStaged();
    Send(transfer.node, SnapshotChunkReply{transfer, 0, false, true}, When::kLate);
  } else if (AlreadyHas(meta)) {
    DiscardStaged();
    AcknowledgeCommit(transfer.node);
  } else {
    Install(meta);
    AcknowledgeCommit(transfer.node);
  }
  CheckInvariants();
}

// Figure 5.3, steps 7 and 8: the whole log goes, the state machine starts over from the snapshot.
void Machine::Install(const SnapshotMeta& meta) {
  log_.Reset(meta);
  confs_.Reset(meta.index, meta.conf);
  out_.snapshot = meta;
}

SnapshotMeta Machine::AppliedMeta() const {
  const Index applied = log_.applied();
  return {applied, log_.TermAt(applied).value_or(Term(0)), confs_.At(applied).conf};
}

Index Machine::CompactionLimit() const {
  const auto back = [&](uint64_t entries) {
    return log_.applied().value() > entries ? log_.applied() - entries : Index(0);
  };
  Index limit = back(config_.compaction_margin);
  if (const auto* leader = std::get_if<Leader>(&role_)) {
    for (const auto& [id, peer] : leader->peers) {
      if (peer.state() != Progress::State::kSnapshot) continue;
      // It goes on with what follows the snapshot; but not for ever.
      limit = std::min(limit, std::max(peer.snapshot_floor(), back(config_.max_held_entries)));
    }
  }
  return std::max(limit, log_.first() - 1);
}

}  // namespace matricula::raft
