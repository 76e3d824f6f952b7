#pragma once

#include <atomic>
#include <thread>

#include "common/kv/watch_hub.h"

namespace matricula::kv {

// The thread on which a hub delivers. Stopping it leaves the watches open.
class WatchThread {
 public:
  WatchThread(WatchHub& hub, const base::Clock& clock);
  ~WatchThread();

 private:
  void Run();

  WatchHub& hub_;
  const base::Clock& clock_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace matricula::kv
