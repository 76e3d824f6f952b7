#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace matricula::base {

// A loop's sign of life, for those who watch over the process (roles/ops/vigil.h): made on the
// loop's thread, which gets its name (at most 15 characters; `top -H` shows it), and gone with it.
class Heartbeat {
 public:
  // A loop with nothing to do turns at least this often.
  static constexpr int64_t kIntervalMs = 500;

  explicit Heartbeat(const char* part);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // Of the calling thread's heart; nothing, if it has none.
  static void Beat();

  // When the loops that run now have turned last, on the system's monotonic scale. Any thread.
  struct Pulse {
    std::string part;
    int64_t last_ns = 0;
  };
  static std::vector<Pulse> Pulses();

 private:
  const std::string part_;
  std::atomic<int64_t> last_ns_;
};

}  // namespace matricula::base
