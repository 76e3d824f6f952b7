#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "test/sim/random.h"

namespace matricula::sim {

inline constexpr int64_t kUs = 1'000;
inline constexpr int64_t kMs = 1'000 * kUs;
inline constexpr int64_t kSecond = 1'000 * kMs;

// Time and chance of one run. Nothing happens but in events; events of the same moment happen in
// the order in which they were planned. So a seed gives the same run every time, everywhere.
class World {
 public:
  using Event = absl::AnyInvocable<void() &&>;

  explicit World(uint64_t seed) : random_(seed) {}

  int64_t now_ns() const { return now_ns_; }
  void At(int64_t time_ns, Event event);
  void After(int64_t delay_ns, Event event) { At(now_ns_ + delay_ns, std::move(event)); }

  // Until the time has come, or something is wrong, or nothing is left to happen.
  void RunUntil(int64_t time_ns);
  // Until `done` is true; false if that does not come about in time.
  bool RunUntil(int64_t time_ns, absl::AnyInvocable<bool()> done);
  uint64_t events() const { return events_; }

  // Draws of the run itself; parts fork theirs at the start.
  Random& random() { return random_; }

  // What happened, for the hash by which two runs are compared.
  void Trace(std::string_view what, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0);
  uint64_t trace_hash() const { return trace_hash_; }
  // Also print it.
  void SetVerbose(bool verbose) { verbose_ = verbose; }
  bool verbose() const { return verbose_; }
  void Say(const std::string& text);

  // A promise has been broken: the run ends. The first one counts.
  void Fail(std::string what);
  const std::optional<std::string>& failure() const { return failure_; }

 private:
  struct Planned {
    int64_t time_ns;
    uint64_t number;
    Event event;
  };
  struct Later {
    bool operator()(const Planned& a, const Planned& b) const {
      return a.time_ns != b.time_ns ? a.time_ns > b.time_ns : a.number > b.number;
    }
  };

  void RunOne();

  Random random_;
  int64_t now_ns_ = 0;
  uint64_t planned_ = 0;
  uint64_t events_ = 0;
  std::vector<Planned> queue_;  // a heap, the next event first
  uint64_t trace_hash_ = 0xcbf29ce484222325;
  bool verbose_ = false;
  std::optional<std::string> failure_;
};

// A machine's clock: it began somewhere and runs a little too fast or too slow.
class DriftingClock final : public base::Clock {
 public:
  DriftingClock(const World& world, double rate, int64_t offset_ns)
      : world_(world), rate_(rate), offset_ns_(offset_ns) {}

  int64_t MonotonicNs() const override {
    return offset_ns_ + static_cast<int64_t>(static_cast<double>(world_.now_ns()) * rate_);
  }
  int64_t WallMs() const override { return MonotonicNs() / kMs; }

 private:
  const World& world_;
  const double rate_;
  const int64_t offset_ns_;
};

}  // namespace matricula::sim
