#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "common/raft/core.h"
#include "common/raft/snapshot.h"
#include "common/raft/types.h"

namespace matricula::raft {

// Appends with entries that a peer has not acknowledged: bounded in number and in bytes.
class Inflight {
 public:
  Inflight(int max_messages, size_t max_bytes)
      : max_messages_(static_cast<size_t>(max_messages)), max_bytes_(max_bytes) {}

  // An entry larger than all the bytes allowed may go when nothing else is on its way.
  bool Full() const { return messages_.size() >= max_messages_ || bytes_ >= max_bytes_; }
  bool Empty() const { return messages_.empty(); }
  size_t FreeBytes() const { return bytes_ >= max_bytes_ ? 0 : max_bytes_ - bytes_; }
  void Add(Index last, size_t bytes);
  // Everything up to `match` has arrived.
  void FreeUpTo(Index match);
  void Clear();

 private:
  size_t max_messages_;
  size_t max_bytes_;
  size_t bytes_ = 0;
  std::deque<std::pair<Index, size_t>> messages_;
};

// What a leader knows of one member, and what it may send it next. Three states:
//   probe      where the logs part is not known: one append at a time, then wait
//   replicate  it is: appends go out without waiting, as far as the window allows (§10.2.1)
//   snapshot   it needs what the log has no more: no appends until a snapshot is there
class Progress {
 public:
  using State = PeerProgress::State;

  Progress(Index match, Index next, Inflight inflight)
      : match_(match), next_(next), inflight_(std::move(inflight)) {}

  State state() const { return state_; }
  Index match() const { return match_; }  // equal to the leader's log and durable so far
  Index next() const { return next_; }    // the next entry to send; always > match

  // May an append be sent now?
  bool CanSend() const;
  // Is there a reason to, though there may be no entry to send?
  bool MustSend(Index commit) const;
  // How many bytes of entries; 0: only an append without entries.
  size_t Room() const;

  // An append was sent: entries up to `last` (next() - 1: none) of `bytes`, and this commit index.
  void OnSent(Index last, size_t bytes, Index commit);
  // The peer's log is the leader's up to `match`. True if that is news.
  bool OnTaken(Index match);
  // The peer refused an append after `rejected`; it may share entries up to `hint`. False if that
  // is an old answer.
  bool OnRefused(Index rejected, Index hint);
  // The peer answered a heartbeat, so whatever it was sent before has arrived or is lost.
  void OnHeartbeatReply(Index last);
  void OnUnreachable();
  // Asks at the next occasion where the peer's log ends, even if there is nothing new.
  void Nudge() { nudge_ = true; }

  void BecomeProbe();
  // Send nothing before it has been heard of again.
  void Pause() { waiting_ = true; }
  // Whatever snapshot this will be, it stands for `floor` at least.
  void BecomeSnapshot(const Ticket& transfer, Index floor);
  void BecomeReplicate();

  // In state snapshot: the transfer that is to end it,
  const Ticket& transfer() const { return transfer_; }
  Index snapshot_floor() const { return sender ? sender->meta().index : snapshot_floor_; }
  // and how far it is; none until the driver has a snapshot ready.
  std::optional<ChunkSender> sender;
  // Heard from since the last quorum check.
  bool active = false;
  // Of a peer that is no member any more: the entry that says so. 0: it is one.
  Index leaves_at;
  // The last heartbeat round that it answered, and how many such answers, anybody's, came before.
  uint64_t round = 0;
  uint64_t round_place = 0;

 private:
  State state_ = State::kProbe;
  Index match_;
  Index next_;
  Ticket transfer_;
  Index snapshot_floor_;
  Index sent_commit_;           // the largest that it could take from what was sent
  bool waiting_ = false;        // probe: one is on its way
  bool nudge_ = true;           // send an append even without entries
  Index match_last_heartbeat_;  // match when the last heartbeat was answered
  Inflight inflight_;
};

}  // namespace matricula::raft
