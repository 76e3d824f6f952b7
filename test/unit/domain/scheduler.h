#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <map>
#include <random>
#include <utility>

#include "common/base/clock.h"
#include "common/domain/timer.h"

namespace matricula::domain {

// Simulated time: a queue of things to happen, a clock that jumps from one to the next, and the
// one source of chance. One seed, one course of events.
class Scheduler final : public Timer, public base::Clock {
 public:
  using Event = absl::AnyInvocable<void() &&>;

  explicit Scheduler(uint64_t seed) : random_(seed) {}

  void After(int64_t delay_ms, Call call) override { AfterUs(delay_ms * 1000, std::move(call)); }
  void AfterUs(int64_t delay_us, Event event) {
    events_.emplace(now_us_ + delay_us, std::move(event));
  }

  int64_t MonotonicNs() const override { return now_us_ * 1000; }
  int64_t WallMs() const override { return 1'770'000'000'000 + now_us_ / 1000; }
  int64_t now_us() const { return now_us_; }

  // Makes the next event happen; false if there is none.
  bool Step() {
    if (events_.empty()) return false;
    auto next = events_.extract(events_.begin());
    now_us_ = next.key();
    std::move(next.mapped())();
    return true;
  }
  void RunUntilIdle() {
    while (Step()) {
    }
  }

  // Uniform in [least, most].
  int64_t Random(int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random_);
  }
  bool Chance(int percent) { return Random(1, 100) <= percent; }

 private:
  int64_t now_us_ = 0;
  std::multimap<int64_t, Event> events_;
  std::mt19937_64 random_;
};

}  // namespace matricula::domain
