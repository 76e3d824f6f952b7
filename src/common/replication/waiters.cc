#include "common/replication/waiters.h"

#include <algorithm>
#include <utility>

#include "common/base/ensure.h"

namespace matricula::replication {
namespace {

base::Status Lost() {
  return {base::Code::kUnavailable, "leadership was lost before the proposal took effect"};
}

}  // namespace

void Waiters::Add(uint64_t number, raft::Term term, int64_t deadline_tick, Done done) {
  ENSURE(waiting_.empty() || number > waiting_.rbegin()->first, "a proposal's number is repeated");
  waiting_.emplace_hint(waiting_.end(), number, Waiter{term, deadline_tick, std::move(done)});
}

void Waiters::AddForwarded(uint64_t ticket_number, uint64_t first, uint64_t count) {
  forwarded_.emplace(ticket_number, Forwarded{first, count});
}

// The waiter is out of the map before it is called: it may come back with its next proposal.
void Waiters::Answer(Map::iterator position, base::Result<std::any> result) {
  Done done = std::move(position->second.done);
  waiting_.erase(position);
  std::move(done)(std::move(result));
}

void Waiters::Complete(uint64_t number, std::any answer) {
  const auto position = waiting_.find(number);
  if (position != waiting_.end()) Answer(position, std::move(answer));
}

void Waiters::OnForwardAnswer(uint64_t ticket_number, bool appended) {
  const auto found = forwarded_.find(ticket_number);
  if (found == forwarded_.end()) return;
  const Forwarded range = found->second;
  forwarded_.erase(found);
  if (appended) return;
  for (uint64_t number = range.first; number < range.first + range.count; ++number) {
    const auto position = waiting_.find(number);
    if (position != waiting_.end()) {
      Answer(position, base::Status(base::Code::kUnavailable, "the leader refused the proposal"));
    }
  }
}

void Waiters::EndBefore(raft::Term term, const base::Status& status) {
  std::vector<Done> ended;
  for (auto position = waiting_.begin(); position != waiting_.end();) {
    if (position->second.term < term) {
      ended.push_back(std::move(position->second.done));
      position = waiting_.erase(position);
    } else {
      ++position;
    }
  }
  for (Done& done : ended) std::move(done)(status);
}

void Waiters::OnCommittedTerm(raft::Term term) {
  if (term <= committed_term_) return;
  committed_term_ = term;
  EndBefore(term, Lost());
}

void Waiters::OnSnapshot(raft::Term term) {
  committed_term_ = std::max(committed_term_, term);
  EndBefore(raft::Next(term),
            {base::Code::kOutcomeUnknown, "a snapshot arrived instead of the proposal's outcome"});
}

void Waiters::OnTick(int64_t now_tick) {
  while (!waiting_.empty() && waiting_.begin()->second.deadline_tick <= now_tick) {
    Answer(waiting_.begin(),
           base::Status(base::Code::kOutcomeUnknown, "no outcome of the proposal in time"));
  }
  // Numbers grow with time: what is forwarded and has nobody waiting is over.
  const uint64_t oldest = waiting_.empty() ? UINT64_MAX : waiting_.begin()->first;
  while (!forwarded_.empty() &&
         forwarded_.begin()->second.first + forwarded_.begin()->second.count <= oldest) {
    forwarded_.erase(forwarded_.begin());
  }
}

void Waiters::AbandonAll(const char* why) {
  forwarded_.clear();
  while (!waiting_.empty()) {
    Answer(waiting_.begin(), base::Status(base::Code::kOutcomeUnknown, why));
  }
}

}  // namespace matricula::replication
