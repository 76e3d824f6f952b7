#include "common/kv/watch_thread.h"

#include <algorithm>

namespace matricula::kv {

WatchThread::WatchThread(WatchHub& hub, const base::Clock& clock)
    : hub_(hub), clock_(clock), thread_([this] { Run(); }) {}

WatchThread::~WatchThread() {
  stopping_ = true;
  hub_.Wake();
  thread_.join();
}

void WatchThread::Run() {
  while (!stopping_) {
    if (hub_.RunOnce()) continue;
    const int64_t left_ns = hub_.NextProgressNs() - clock_.MonotonicNs();
    hub_.WaitForWork(std::chrono::nanoseconds(std::max<int64_t>(left_ns, 0)));
  }
}

}  // namespace matricula::kv
