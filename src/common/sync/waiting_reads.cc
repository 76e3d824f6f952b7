#include "common/sync/waiting_reads.h"

#include <algorithm>
#include <iterator>

namespace matricula::sync {
namespace {

template <class Stays>
std::vector<PendingRead> TakeOthers(std::vector<PendingRead>& reads, Stays stays) {
  std::vector<PendingRead> taken;
  const auto first = std::stable_partition(reads.begin(), reads.end(), stays);
  std::move(first, reads.end(), std::back_inserter(taken));
  reads.erase(first, reads.end());
  return taken;
}

}  // namespace

std::vector<PendingRead> WaitingReads::TakeLate(int64_t now_ms) {
  return TakeOthers(reads_, [&](const PendingRead& read) { return read.deadline_ms > now_ms; });
}

std::vector<PendingRead> WaitingReads::TakeReached(int64_t revision) {
  return TakeOthers(reads_, [&](const PendingRead& read) { return read.last_change > revision; });
}

}  // namespace matricula::sync
