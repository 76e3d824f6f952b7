#pragma once

#include <algorithm>
#include <cstdint>

namespace matricula::sync {

// A bucket of permissions that fills at a steady rate. Not thread-safe.
class RateLimit {
 public:
  // Full at first: `burst` at once, then `per_second`.
  RateLimit(int64_t per_second, int64_t burst)
      : per_second_(per_second), burst_(burst), left_(static_cast<double>(burst)) {}

  bool Take(int64_t now_ms) {
    if (last_ms_ != 0) {
      left_ += static_cast<double>(now_ms - last_ms_) * static_cast<double>(per_second_) / 1000.0;
      left_ = std::min(left_, static_cast<double>(burst_));
    }
    last_ms_ = now_ms;
    if (left_ < 1.0) return false;
    left_ -= 1.0;
    return true;
  }

 private:
  const int64_t per_second_;
  const int64_t burst_;
  double left_;
  int64_t last_ms_ = 0;
};

}  // namespace matricula::sync
