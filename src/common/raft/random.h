#pragma once

#include <cstdint>

namespace matricula::raft {

// SplitMix64 (Steele, Lea, Flood 2014): a counter in steps of 2^64/φ, scrambled. Written out here,
// and not taken from <random>, whose distributions differ between standard libraries: the same
// seed must give the same run everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // 0 to limit - 1, for 0 < limit ≤ 2^32: the upper 32 bits, scaled by a multiplication. The bias
  // is below limit / 2^32.
  uint64_t Below(uint64_t limit) { return ((Next() >> 32) * limit) >> 32; }

 private:
  uint64_t state_;
};

}  // namespace matricula::raft
