#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <map>
#include <thread>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace matricula::domain {

// Calls later what must not be waited for.
class Timer {
 public:
  using Call = absl::AnyInvocable<void() &&>;
  virtual ~Timer() = default;

  // Calls `call` once, `delay_ms` from now, on another stack than the caller's. It must not block.
  virtual void After(int64_t delay_ms, Call call) = 0;
};

// A timer with a thread of its own. From Close() on, calls are made at once, early: whoever is
// called must ask a clock, or whether it is being closed itself.
class ThreadTimer final : public Timer {
 public:
  explicit ThreadTimer(const base::Clock& clock);
  ~ThreadTimer() override;

  void After(int64_t delay_ms, Call call) override;
  void Close();

 private:
  void Run();

  const base::Clock& clock_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::multimap<int64_t, Call> calls_ GUARDED_BY(mutex_);  // by due time, monotonic ns
  bool closed_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace matricula::domain
