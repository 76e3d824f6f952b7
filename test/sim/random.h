#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/raft/random.h"

namespace matricula::sim {

// Chance, from a seed alone. Every part of a run has a generator of its own, forked from the run's,
// so that one more draw in one part does not change all others.
class Random {
 public:
  explicit Random(uint64_t seed) : bits_(seed) {}

  Random Fork() { return Random(bits_.Next()); }
  uint64_t Next() { return bits_.Next(); }

  // 0 to limit - 1.
  uint64_t Below(uint64_t limit) { return bits_.Below(limit); }
  // Both ends included.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  bool Chance(double probability) { return Unit() < probability; }
  // 0 to 1, never 1.
  double Unit() { return static_cast<double>(bits_.Next() >> 11) * 0x1p-53; }
  double Exponential(double mean) { return -mean * std::log(1.0 - Unit()); }

  // Pareto's law with a shape of 1.3: mostly a quarter of the mean, and now and then forty times
  // it.
  double HeavyTailed(double mean) {
    constexpr double kShape = 1.3;
    const double least = mean * (kShape - 1) / kShape;
    return std::min(least / std::pow(1.0 - Unit(), 1 / kShape), 40 * mean);
  }

  template <class T>
  const T& Pick(const std::vector<T>& items) {
    return items[Below(items.size())];
  }
  template <class T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Below(i)]);
  }

 private:
  raft::Random bits_;
};

}  // namespace matricula::sim
