#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/kv/mvcc.h"
#include "common/kv/watcher.h"

namespace matricula::kv {

// What other threads leave for the one that delivers.
struct WatchInbox {
  std::vector<WatcherPtr> opened;
  std::vector<WatcherPtr> resumed;
  std::vector<WatcherPtr> closed;
  std::vector<WatcherPtr> progress;
  std::vector<std::shared_ptr<const CommittedChanges>> changes;

  bool empty() const {
    return opened.empty() && resumed.empty() && closed.empty() && progress.empty() &&
           changes.empty();
  }
};

// What a hub and the handles of its watches have in common; handles may outlive the hub.
struct WatchShared {
  // `watcher` is open: its events are to be collected from now on.
  void Remember(const WatcherPtr& watcher) REQUIRES(mutex);
  // It is not any more.
  void Forget(const WatcherPtr& watcher) REQUIRES(mutex);

  base::Mutex mutex;
  base::CondVar work;       // the inbox has something, or somebody says so
  base::CondVar delivered;  // a sink's call has ended
  WatchInbox inbox GUARDED_BY(mutex);
  size_t waiting_bytes GUARDED_BY(mutex) = 0;  // of the inbox's changes
  bool woken GUARDED_BY(mutex) = false;
  std::optional<base::Status> hub_closed GUARDED_BY(mutex);  // with this
  std::map<uint64_t, WatcherPtr> open GUARDED_BY(mutex);
  const Watcher* delivering GUARDED_BY(mutex) = nullptr;  // whose sink is being called
  std::thread::id delivering_thread GUARDED_BY(mutex);
  std::atomic<int> open_count{0};
  std::atomic<int> previous_count{0};  // of those that want what was there before
};

class WatchHandle final : public Watch {
 public:
  WatchHandle(std::shared_ptr<WatchShared> shared, WatcherPtr watcher)
      : shared_(std::move(shared)), watcher_(std::move(watcher)) {}
  ~WatchHandle() override;

  void Resume() override;
  void RequestProgress() override;

 private:
  const std::shared_ptr<WatchShared> shared_;
  const WatcherPtr watcher_;
};

}  // namespace matricula::kv
