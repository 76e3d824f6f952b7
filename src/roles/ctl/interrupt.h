#pragma once

#include <csignal>

namespace matricula::ctl {

// While one of these lives, the first SIGINT or SIGTERM only sets a flag, so that the work can be
// brought to a clean end; the next one ends the process as usual. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool interrupted() const;

 private:
  struct sigaction before_int_;
  struct sigaction before_term_;
};

}  // namespace matricula::ctl
