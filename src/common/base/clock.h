#pragma once

#include <cstdint>

namespace matricula::base {

// The one door to the system's clocks (clock.cc is the only file that reads them), so that tests
// and the simulator can put another clock in their place.
class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since an arbitrary start; never goes back. For durations and deadlines.
  virtual int64_t MonotonicNs() const = 0;
  // Milliseconds since 1970-01-01 UTC; may jump. For what people read, never for decisions.
  virtual int64_t WallMs() const = 0;

  int64_t MonotonicMs() const { return MonotonicNs() / 1'000'000; }
};

// The machine's own clocks.
const Clock& SystemClock();

// A clock that moves only when told to.
class ManualClock final : public Clock {
 public:
  int64_t MonotonicNs() const override { return now_ns_; }
  int64_t WallMs() const override { return now_ns_ / 1'000'000; }
  void AdvanceMs(int64_t ms) { now_ns_ += ms * 1'000'000; }

 private:
  int64_t now_ns_ = 0;
};

}  // namespace matricula::base
