#include "common/base/histogram.h"

#include <algorithm>
#include <numeric>

#include "common/base/ensure.h"

namespace matricula::base {

uint64_t HistogramSnapshot::total() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

Histogram::Histogram(std::span<const int64_t> bounds) : bounds_(bounds) {
  ENSURE(bounds.size() <= kMaxBounds && std::is_sorted(bounds.begin(), bounds.end()),
         "a histogram has some bounds, in rising order");
}

void Histogram::Observe(int64_t value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  counts_[static_cast<size_t>(bucket - bounds_.begin())].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

HistogramSnapshot Histogram::Snapshot() const {
  HistogramSnapshot snapshot;
  snapshot.bounds = bounds_;
  snapshot.sum = sum();
  for (size_t i = 0; i <= bounds_.size(); ++i) {
    snapshot.counts.push_back(counts_[i].load(std::memory_order_relaxed));
  }
  return snapshot;
}

}  // namespace matricula::base
