#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "common/raft/log_view.h"
#include "common/raft/message.h"
#include "common/raft/types.h"

namespace matricula::raft {

// The log as one node knows it: durable entries behind a LogView, and a tail in memory that holds
// at least all that is not durable, not committed or not applied.
//
//   first            applied      handed out    commit          last
//     |---- applied ----|--- being applied --|----|--- not committed ---|
//     |------------ in the view ---------| tail_first ---- in memory ---|
//
// `persisted` lies anywhere up to last: a follower may know an entry to be committed before its own
// disk has it.
class Log {
 public:
  struct Limits {
    size_t tail_bytes;   // kept in memory beyond need
    size_t apply_bytes;  // handed out and not applied
  };

  // All that `view` holds is durable; `commit` and `applied` lie within it.
  Log(const LogView& view, Index commit, Index applied, Limits limits);

  Index first() const { return base_index_ + 1; }
  Index last() const { return tail_first_ + tail_.size() - 1; }
  Index commit() const { return commit_; }
  Index applied() const { return applied_; }
  Index persisted() const { return persisted_; }
  Term last_term() const;

  // Nothing before first() - 1, and nothing after last().
  std::optional<Term> TermAt(Index index) const;
  bool Has(Index index, Term term) const { return TermAt(index) == term; }
  // True if a log that ends with (index, term) is at least as complete as this one (§3.6.1).
  bool IsBehindOrEqual(Index index, Term term) const;
  // The last entry at or before `index` whose term is at most `term`; first() - 1 if there is none.
  // Terms only grow along a log, so it is found by halving.
  Index LastUpTo(Index index, Term term) const;
  // Entries from `from` on, at least one if there is one, no more than max_bytes otherwise. Empty
  // also if they cannot be read any more.
  std::vector<Entry> Slice(Index from, Index to, size_t max_bytes) const;
  // Of entries that are in memory.
  size_t CostBetween(Index from, Index to) const;

  // `entries` follow one another; the first takes the place of whatever stands there and after.
  // Nothing committed may be replaced.
  void Append(std::vector<Entry> entries);
  void CommitTo(Index index);
  // The log becomes empty, after the entry that `meta` names.
  void Reset(const SnapshotMeta& meta);

  bool HasUnsaved() const { return unsaved_ <= last(); }
  // Entries that no Output has asked to write yet; they are now asked for by `sequence`.
  std::vector<Entry> TakeUnsaved(uint64_t sequence);
  void Saved(uint64_t sequence);

  // Committed entries to be applied next, as far as the limit allows.
  std::vector<Entry> TakeCommitted();
  void AppliedTo(Index index);

  // Entries before `first` are going away.
  void Compact(Index first);

  // What must always hold; ends the process otherwise.
  void Check() const;

 private:
  struct Writing {
    uint64_t sequence;
    Index last;  // durable once the write is, unless overwritten meanwhile
  };

  void Truncate(Index from);
  void DropTail();
  const Entry& InTail(Index index) const { return tail_[index - tail_first_]; }

  const LogView& view_;
  Limits limits_;
  Index base_index_;  // the entry before the first: compacted, or in a snapshot
  Term base_term_;
  std::deque<Entry> tail_;
  Index tail_first_;
  size_t tail_bytes_ = 0;
  Index commit_;
  Index applied_;
  Index handed_out_;
  std::deque<std::pair<Index, size_t>> applying_;  // last index and bytes of each batch
  size_t applying_bytes_ = 0;
  Index unsaved_;  // the first entry that no Output has asked to write
  Index persisted_;
  std::deque<Writing> writing_;
};

}  // namespace matricula::raft
