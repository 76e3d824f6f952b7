#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace matricula::bench {
namespace {

constexpr int kSubBits = 6;  // 64 buckets an octave

// Below 64 every value has its own bucket; above, the six bits after the leading one count.
size_t BucketOf(uint64_t value) {
  const int octave = std::max(0, static_cast<int>(std::bit_width(value)) - kSubBits - 1);
  return (static_cast<size_t>(octave) << kSubBits) + (value >> octave);
}

uint64_t UpperEnd(size_t bucket) {
  if (bucket < 2U << kSubBits) return bucket;
  const size_t octave = (bucket >> kSubBits) - 1;
  const uint64_t value = bucket - (octave << kSubBits);
  return ((value + 1) << octave) - 1;
}

}  // namespace

void Histogram::Add(int64_t duration_ns) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(duration_ns, 0));
  ++buckets_[std::min(BucketOf(value), buckets_.size() - 1)];
  ++count_;
  max_ns_ = std::max(max_ns_, duration_ns);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ns_ = std::max(max_ns_, other.max_ns_);
}

int64_t Histogram::PercentileNs(double fraction) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted && seen > 0) {
      return std::min(static_cast<int64_t>(UpperEnd(i)), max_ns_);
    }
  }
  return max_ns_;
}

}  // namespace matricula::bench
