#include "common/raft/read_index.h"

#include <utility>

#include "common/raft/mutant.h"

namespace matricula::raft {

uint64_t ReadQueue::BeginRound() {
  if (MutantIs(14) && round_ > 0) {
    for (Read& read : reads_) read.round = round_;
    return round_;
  }
  return ++round_;
}

std::vector<ReadQueue::Read> ReadQueue::TakeConfirmed(uint64_t round) {
  std::vector<Read> confirmed;
  while (!reads_.empty() && reads_.front().round <= round) {
    confirmed.push_back(reads_.front());
    reads_.pop_front();
  }
  return confirmed;
}

std::vector<ReadQueue::Read> ReadQueue::TakeAll() {
  std::vector<Read> all(reads_.begin(), reads_.end());
  reads_.clear();
  return all;
}

std::vector<Ticket> ForwardedReads::Tick(int patience_ticks) {
  std::vector<Ticket> expired;
  for (auto& [ticket, ticks] : waiting_) {
    if (++ticks >= patience_ticks) expired.push_back(ticket);
  }
  for (const Ticket& ticket : expired) waiting_.erase(ticket);
  return expired;
}

std::vector<Ticket> ForwardedReads::TakeAll() {
  std::vector<Ticket> all;
  for (const auto& [ticket, ticks] : waiting_) all.push_back(ticket);
  waiting_.clear();
  return all;
}

}  // namespace matricula::raft
