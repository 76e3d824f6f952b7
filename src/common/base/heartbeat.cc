#include "common/base/heartbeat.h"

#include <pthread.h>

#include <algorithm>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace matricula::base {
namespace {

// Like the log, one for the process: loops are everywhere, and who watches them knows none of them.
struct Registry {
  Mutex mutex;
  std::vector<Heartbeat*> hearts GUARDED_BY(mutex);
};

Registry& TheRegistry() {
  static Registry registry;
  return registry;
}

thread_local Heartbeat* heart_here = nullptr;

}  // namespace

Heartbeat::Heartbeat(const char* part) : part_(part), last_ns_(SystemClock().MonotonicNs()) {
  pthread_setname_np(pthread_self(), part);
  heart_here = this;
  Registry& registry = TheRegistry();
  const MutexLock lock(registry.mutex);
  registry.hearts.push_back(this);
}

Heartbeat::~Heartbeat() {
  heart_here = nullptr;
  Registry& registry = TheRegistry();
  const MutexLock lock(registry.mutex);
  std::erase(registry.hearts, this);
}

void Heartbeat::Beat() {
  if (heart_here == nullptr) return;
  heart_here->last_ns_.store(SystemClock().MonotonicNs(), std::memory_order_relaxed);
}

std::vector<Heartbeat::Pulse> Heartbeat::Pulses() {
  Registry& registry = TheRegistry();
  const MutexLock lock(registry.mutex);
  std::vector<Pulse> pulses;
  for (const Heartbeat* heart : registry.hearts) {
    pulses.push_back({heart->part_, heart->last_ns_.load(std::memory_order_relaxed)});
  }
  return pulses;
}

}  // namespace matricula::base
