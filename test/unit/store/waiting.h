#pragma once

#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <utility>

#include "common/base/status.h"
#include "common/kv/watch.h"

namespace matricula::store {

// Starts an operation and waits for its end.
template <class T, class Start>
base::Result<T> Wait(Start start) {
  std::promise<base::Result<T>> promise;
  auto future = promise.get_future();
  start([&promise](base::Result<T> result) { promise.set_value(std::move(result)); });
  return future.get();
}

// Collects events, one line each, until those of a revision have come.
class EventCollector final : public kv::WatchSink {
 public:
  explicit EventCollector(int64_t last_revision) : last_revision_(last_revision) {}

  bool OnResponse(const etcdserverpb::WatchResponse& response) override {
    const std::lock_guard lock(mutex_);
    for (const auto& event : response.events()) events_ += event.ShortDebugString() + "\n";
    // A greeting says what the store's revision is, not how much has been seen.
    if (!response.created()) seen_revision_ = response.header().revision();
    changed_.notify_all();
    return true;
  }
  void OnEnd(const base::Status& status) override {
    const std::lock_guard lock(mutex_);
    end_ = status;
    changed_.notify_all();
  }

  // False if the watch ended before.
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] {
      return seen_revision_ >= last_revision_ || !end_.ok();
    }) && end_.ok();
  }
  std::string events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  const int64_t last_revision_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string events_;
  int64_t seen_revision_ = 0;
  base::Status end_;
};

}  // namespace matricula::store
