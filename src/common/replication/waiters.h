#pragma once

#include <any>
#include <cstdint>
#include <map>
#include <vector>

#include "common/base/done.h"
#include "common/base/status.h"
#include "common/raft/types.h"

namespace matricula::replication {

// Those who wait to learn what became of their proposals. Every one gets exactly one answer.
class Waiters {
 public:
  using Done = base::Done<std::any>;

  // The number must be larger than any before, and the deadline (in ticks) not earlier. `term` is
  // the only one in which the proposal can be taken.
  void Add(uint64_t number, raft::Term term, int64_t deadline_tick, Done done);
  // Proposals [first, first + count) travel to the leader under this ticket's number.
  void AddForwarded(uint64_t ticket_number, uint64_t first, uint64_t count);

  bool Has(uint64_t number) const { return waiting_.contains(number); }
  size_t size() const { return waiting_.size(); }

  // It has been applied.
  void Complete(uint64_t number, std::any answer);
  // The leader has answered a forwarded call.
  void OnForwardAnswer(uint64_t ticket_number, bool appended);
  // An entry of `term` is committed: what belongs to an earlier one can never be any more.
  void OnCommittedTerm(raft::Term term);
  // A snapshot that ends in `term` hides what happened to these.
  void OnSnapshot(raft::Term term);
  void OnTick(int64_t now_tick);
  // The end: nobody will learn more here.
  void AbandonAll(const char* why);

 private:
  struct Waiter {
    raft::Term term;
    int64_t deadline_tick;
    Done done;
  };
  struct Forwarded {
    uint64_t first;
    uint64_t count;
  };
  using Map = std::map<uint64_t, Waiter>;

  void Answer(Map::iterator position, base::Result<std::any> result);
  void EndBefore(raft::Term term, const base::Status& status);

  Map waiting_;
  std::map<uint64_t, Forwarded> forwarded_;
  raft::Term committed_term_;
};

}  // namespace matricula::replication
