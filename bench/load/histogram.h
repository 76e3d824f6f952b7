#pragma once

#include <array>
#include <cstdint>

namespace matricula::bench {

// Counts durations in buckets that are 1/64 of a power of two wide, so that a percentile is at most
// 1.6 % too high.
class Histogram {
 public:
  void Add(int64_t duration_ns);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  int64_t max_ns() const { return max_ns_; }
  // The duration that `fraction` of all stay within; 0 without any.
  int64_t PercentileNs(double fraction) const;

 private:
  static constexpr int kSubBuckets = 64;
  static constexpr int kOctaves = 40;  // up to 2^45 ns, about ten hours

  std::array<uint64_t, kSubBuckets * kOctaves> buckets_{};
  uint64_t count_ = 0;
  int64_t max_ns_ = 0;
};

}  // namespace matricula::bench
