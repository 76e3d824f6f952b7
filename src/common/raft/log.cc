#include "common/raft/log.h"

#include <algorithm>
#include <iterator>

#include "common/base/ensure.h"
#include "common/raft/mutant.h"

namespace matricula::raft {

Log::Log(const LogView& view, Index commit, Index applied, Limits limits)
    : view_(view),
      limits_(limits),
      base_index_(view.FirstIndex() - 1),
      base_term_(view.TermAt(view.FirstIndex() - 1).value_or(Term(0))),
      tail_first_(view.LastIndex() + 1),
      commit_(commit),
      applied_(applied),
      handed_out_(applied),
      unsaved_(tail_first_),
      persisted_(view.LastIndex()) {
  Check();
}

Term Log::last_term() const { return TermAt(last()).value_or(Term(0)); }

std::optional<Term> Log::TermAt(Index index) const {
  if (index == base_index_) return base_term_;
  if (index < base_index_ || index > last()) return std::nullopt;
  if (index >= tail_first_) return InTail(index).term;
  return view_.TermAt(index);
}

bool Log::IsBehindOrEqual(Index index, Term term) const {
  const Term own = last_term();
  return term > own || (term == own && index >= last());
}

Index Log::LastUpTo(Index index, Term term) const {
  Index low = base_index_;  // at most `term`, or nothing is
  Index high = std::min(index, last());
  while (low < high) {
    const Index middle = high - (high - low) / 2;
    if (TermAt(middle).value_or(Term(0)) <= term) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

std::vector<Entry> Log::Slice(Index from, Index to, size_t max_bytes) const {
  std::vector<Entry> entries;
  if (from < first() || from > to) return entries;
  size_t bytes = 0;
  if (from < tail_first_) {
    const Index view_last = std::min(to, tail_first_ - 1);
    entries = view_.Read(from, view_last, max_bytes);
    if (entries.empty() || entries.back().index < view_last) return entries;
    for (const Entry& entry : entries) bytes += entry.Cost();
    from = tail_first_;
  }
  for (Index index = from; index <= to; ++index) {
    bytes += InTail(index).Cost();
    if (!entries.empty() && bytes > max_bytes) break;
    entries.push_back(InTail(index));
  }
  return entries;
}

size_t Log::CostBetween(Index from, Index to) const {
  size_t bytes = 0;
  for (Index index = from; index <= to; ++index) bytes += InTail(index).Cost();
  return bytes;
}

void Log::Append(std::vector<Entry> entries) {
  if (entries.empty()) return;
  if (entries.front().index <= last()) Truncate(entries.front().index);
  for (Entry& entry : entries) {
    ENSURE(entry.index == last() + 1, "a log has no holes");
    ENSURE(entry.term >= last_term(), "terms never fall along a log");
    tail_bytes_ += entry.Cost();
    tail_.push_back(std::move(entry));
  }
}

void Log::Truncate(Index from) {
  ENSURE(from > commit_ || MutantIs(4), "a committed entry must never leave the log");
  while (!tail_.empty() && tail_.back().index >= from) {
    tail_bytes_ -= tail_.back().Cost();
    tail_.pop_back();
  }
  if (tail_.empty()) tail_first_ = std::min(tail_first_, from);
  unsaved_ = std::min(unsaved_, from);
  persisted_ = std::min(persisted_, from - 1);
  if (MutantIs(20)) return;
  // A write on its way makes what is being truncated durable, not what takes its place.
  for (Writing& writing : writing_) writing.last = std::min(writing.last, from - 1);
}

void Log::CommitTo(Index index) {
  ENSURE(index <= last(), "what is committed here must be in the log");
  commit_ = std::max(commit_, index);
}

void Log::Reset(const SnapshotMeta& meta) {
  // Of what is on disk, only what was committed is known to be part of the snapshot's history.
  persisted_ = std::min(persisted_, commit_);
  for (Writing& writing : writing_) writing.last = std::min(writing.last, commit_);
  base_index_ = meta.index;
  base_term_ = meta.term;
  tail_.clear();
  tail_bytes_ = 0;
  tail_first_ = meta.index + 1;
  unsaved_ = tail_first_;
  commit_ = applied_ = handed_out_ = meta.index;
  applying_.clear();
  applying_bytes_ = 0;
}

std::vector<Entry> Log::TakeUnsaved(uint64_t sequence) {
  std::vector<Entry> entries = Slice(unsaved_, last(), SIZE_MAX);
  unsaved_ = last() + 1;
  writing_.push_back({sequence, last()});
  return entries;
}

void Log::Saved(uint64_t sequence) {
  while (!writing_.empty() && writing_.front().sequence <= sequence) {
    persisted_ = std::max(persisted_, std::min(writing_.front().last, last()));
    writing_.pop_front();
  }
  DropTail();
}

std::vector<Entry> Log::TakeCommitted() {
  if (handed_out_ == commit_ || applying_bytes_ >= limits_.apply_bytes) return {};
  std::vector<Entry> entries =
      Slice(handed_out_ + 1, commit_, limits_.apply_bytes - applying_bytes_);
  if (entries.empty()) return entries;  // cannot be read: the driver knows
  size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.Cost();
  handed_out_ = entries.back().index;
  applying_.emplace_back(handed_out_, bytes);
  applying_bytes_ += bytes;
  return entries;
}

void Log::AppliedTo(Index index) {
  if (index <= applied_) return;  // overtaken by a snapshot
  ENSURE(index <= handed_out_, "only what was handed out can have been applied");
  applied_ = index;
  while (!applying_.empty() && applying_.front().first <= index) {
    applying_bytes_ -= applying_.front().second;
    applying_.pop_front();
  }
  DropTail();
}

void Log::DropTail() {
  const Index done = std::min(persisted_, applied_);
  while (tail_bytes_ > limits_.tail_bytes && !tail_.empty() && tail_first_ <= done) {
    tail_bytes_ -= tail_.front().Cost();
    tail_.pop_front();
    ++tail_first_;
  }
}

void Log::Compact(Index first) {
  ENSURE(first <= applied_ + 1, "what is not applied cannot be compacted");
  if (first <= this->first()) return;
  const std::optional<Term> term = TermAt(first - 1);
  ENSURE(term, "the term of the last compacted entry is lost");
  base_term_ = *term;
  base_index_ = first - 1;
  while (!tail_.empty() && tail_first_ < first) {
    tail_bytes_ -= tail_.front().Cost();
    tail_.pop_front();
    ++tail_first_;
  }
  tail_first_ = std::max(tail_first_, first);
}

void Log::Check() const {
  ENSURE(base_index_ <= applied_, "what is not applied is still in the log");
  ENSURE(applied_ <= handed_out_ && handed_out_ <= commit_, "only what is committed is applied");
  ENSURE(commit_ <= last(), "what is committed is in the log");
  ENSURE(persisted_ <= last(), "what is durable is in the log");
  ENSURE(base_index_ < tail_first_ && tail_first_ <= unsaved_ && unsaved_ <= last() + 1,
         "what is not durable is in memory");
}

}  // namespace matricula::raft
