#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/clock.h"

namespace matricula::base {

// Bounds of buckets, in rising order; a value counts in the first bucket whose bound is not below
// it. From a tenth of a millisecond (a sync of a good disk) to ten seconds (nobody waits longer).
inline constexpr int64_t kDurationBoundsNs[] = {
    100'000,     250'000,       500'000,       1'000'000,     2'000'000,     4'000'000,
    8'000'000,   16'000'000,    32'000'000,    64'000'000,    128'000'000,   256'000'000,
    512'000'000, 1'000'000'000, 2'500'000'000, 5'000'000'000, 10'000'000'000};
inline constexpr int64_t kCountBounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024};

// What a histogram held at one moment, nearly: buckets are read one after the other.
struct HistogramSnapshot {
  std::span<const int64_t> bounds;
  std::vector<uint64_t> counts;  // one per bound, and one for what is above the last
  int64_t sum = 0;

  uint64_t total() const;
};

// Counts values in fixed buckets. Any thread, without locks: two relaxed additions a value.
class Histogram {
 public:
  static constexpr size_t kMaxBounds = 24;

  // `bounds` must outlive the histogram and all of its snapshots: a constant.
  explicit Histogram(std::span<const int64_t> bounds = kDurationBoundsNs);

  void Observe(int64_t value);
  HistogramSnapshot Snapshot() const;
  int64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::span<const int64_t> bounds_;
  std::array<std::atomic<uint64_t>, kMaxBounds + 1> counts_{};
  std::atomic<int64_t> sum_{0};
};

// Observes, at its end, how long it lived.
class Stopwatch {
 public:
  Stopwatch(const Clock& clock, Histogram& histogram)
      : clock_(clock), histogram_(histogram), start_ns_(clock.MonotonicNs()) {}
  ~Stopwatch() { histogram_.Observe(clock_.MonotonicNs() - start_ns_); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  const Clock& clock_;
  Histogram& histogram_;
  const int64_t start_ns_;
};

// A count that only rises. Any thread.
class Counter {
 public:
  void Add(uint64_t change = 1) { value_.fetch_add(change, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace matricula::base
