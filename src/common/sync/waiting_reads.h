#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "common/sync/read_barrier.h"

namespace matricula::sync {

// Reads that wait until the cache has heard of the change that they must show, in the order of
// their coming. Bounded: who finds it full asks the store. Not thread-safe.
class WaitingReads {
 public:
  static constexpr size_t kMaxReads = 20'000;

  void Add(PendingRead read) { reads_.push_back(std::move(read)); }
  bool full() const { return reads_.size() >= kMaxReads; }
  bool empty() const { return reads_.empty(); }

  // Those whose time is over.
  std::vector<PendingRead> TakeLate(int64_t now_ms);
  // Those that must show nothing later than `revision`.
  std::vector<PendingRead> TakeReached(int64_t revision);
  std::vector<PendingRead> TakeAll() { return std::exchange(reads_, {}); }

 private:
  std::vector<PendingRead> reads_;
};

}  // namespace matricula::sync
