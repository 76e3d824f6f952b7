#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace matricula::day {

// Repeatable chance: the same seed gives the same day with every compiler and library, which the
// distributions of <random> do not promise.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  uint64_t Next() { return engine_(); }
  // In [0, 1).
  double Fraction() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // In [0, limit); limit > 0. The bias is below limit / 2^64.
  uint64_t Below(uint64_t limit) { return Next() % limit; }
  bool Chance(double probability) { return Fraction() < probability; }
  double Exponential(double mean) { return -mean * std::log1p(-Fraction()); }
  // Mean 0, deviation 1 (Box and Muller's transform).
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log1p(-Fraction()));
    return radius * std::cos(2.0 * 3.14159265358979323846 * Fraction());
  }
  template <class T>
  void Shuffle(std::vector<T>& items) {
    for (size_t left = items.size(); left > 1; --left) {
      std::swap(items[left - 1], items[Below(left)]);
    }
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace matricula::day
