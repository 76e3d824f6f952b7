#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "common/base/clock.h"

namespace matricula::base {

// Lets one line of a kind through in a while. Any thread.
class LogLimit {
 public:
  LogLimit(const Clock& clock, int64_t interval_ms) : clock_(clock), interval_ms_(interval_ms) {}

  // How many were held back since the last one that was let through; nothing: this one is, too.
  std::optional<uint64_t> Admit() {
    const int64_t now_ms = clock_.MonotonicMs();
    int64_t last_ms = last_ms_.load(std::memory_order_relaxed);
    if (now_ms - last_ms < interval_ms_ ||
        !last_ms_.compare_exchange_strong(last_ms, now_ms, std::memory_order_relaxed)) {
      held_back_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
    return held_back_.exchange(0, std::memory_order_relaxed);
  }

 private:
  const Clock& clock_;
  const int64_t interval_ms_;
  std::atomic<int64_t> last_ms_{INT64_MIN / 2};
  std::atomic<uint64_t> held_back_{0};
};

}  // namespace matricula::base
