#include "common/domain/timer.h"

#include <chrono>
#include <utility>

namespace matricula::domain {

ThreadTimer::ThreadTimer(const base::Clock& clock) : clock_(clock), thread_([this] { Run(); }) {}

ThreadTimer::~ThreadTimer() {
  {
    base::MutexLock lock(mutex_);
    closed_ = true;
    stopping_ = true;
    changed_.NotifyOne();
  }
  thread_.join();
}

void ThreadTimer::Close() {
  base::MutexLock lock(mutex_);
  closed_ = true;
  changed_.NotifyOne();
}

void ThreadTimer::After(int64_t delay_ms, Call call) {
  const int64_t due_ns = clock_.MonotonicNs() + delay_ms * 1'000'000;
  base::MutexLock lock(mutex_);
  const bool first = calls_.empty() || due_ns < calls_.begin()->first;
  calls_.emplace(due_ns, std::move(call));
  if (first) changed_.NotifyOne();
}

void ThreadTimer::Run() {
  mutex_.Lock();
  while (true) {
    if (calls_.empty()) {
      if (stopping_) break;
      changed_.Wait(mutex_);
      continue;
    }
    const int64_t wait_ns = calls_.begin()->first - clock_.MonotonicNs();
    if (wait_ns > 0 && !closed_) {
      changed_.WaitFor(mutex_, std::chrono::nanoseconds(wait_ns));
      continue;
    }
    Call call = std::move(calls_.extract(calls_.begin()).mapped());
    mutex_.Unlock();
    std::move(call)();
    call = nullptr;  // what it owned may itself want the timer
    mutex_.Lock();
  }
  mutex_.Unlock();
}

}  // namespace matricula::domain
