#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "common/raft/types.h"

// Linearizable reads without a log entry (§6.4): remember the commit index, hear from a quorum that
// this node still leads, wait until that index is applied, answer.
namespace matricula::raft {

// The leader's side. Reads that arrive between two outputs share one heartbeat round; an answer to
// a later round confirms the earlier ones too.
class ReadQueue {
 public:
  struct Read {
    Ticket ticket;
    Index index;
    uint64_t round;
  };

  size_t size() const { return reads_.size(); }
  // The newest round that was begun; a leader's own answer to it is implied.
  uint64_t round() const { return round_; }
  // Joins the round that begins next.
  void Add(const Ticket& ticket, Index index) { reads_.push_back({ticket, index, round_ + 1}); }
  // Are there reads that no round asks for yet?
  bool NeedsRound() const { return !reads_.empty() && reads_.back().round > round_; }
  uint64_t BeginRound();
  // One tick passes. What still waits for the answers to a round is overdue from now on.
  void Tick() { overdue_ = round_; }
  bool HasOverdue() const { return !reads_.empty() && reads_.front().round <= overdue_; }
  // The reads that a quorum's answers to `round` confirm, oldest first.
  std::vector<Read> TakeConfirmed(uint64_t round);
  std::vector<Read> TakeAll();

 private:
  std::deque<Read> reads_;  // in the order of their rounds
  uint64_t round_ = 0;
  uint64_t overdue_ = 0;  // the newest round that had begun at the last tick
};

// The other side: reads that were sent to the leader. Only a ticket that stands in here can be
// answered, so an answer that comes late, twice, or to an earlier life of this node has no effect.
class ForwardedReads {
 public:
  size_t size() const { return waiting_.size(); }
  void Add(const Ticket& ticket) { waiting_.emplace(ticket, 0); }
  // True if the ticket was waiting; it is not any more.
  bool Take(const Ticket& ticket) { return waiting_.erase(ticket) == 1; }
  // One tick passes. Returns those that have waited for `patience_ticks`, and forgets them.
  std::vector<Ticket> Tick(int patience_ticks);
  std::vector<Ticket> TakeAll();

 private:
  std::map<Ticket, int> waiting_;  // ticks since it was sent
};

}  // namespace matricula::raft
