#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "common/kv/mvcc.h"
#include "common/kv/watch_index.h"
#include "common/kv/watch_pages.h"
#include "common/kv/watcher.h"

namespace matricula::kv {

struct WatchShared;

// Brings changes to those who watch them. A watch is either
//   live     it gets changes from memory as they are committed,
//   behind   it gets them from the change index on disk, a page at a time, until it is live, or
//   paused   its sink has enough; it is not kept up with, and is behind once it resumes.
// So a slow watch costs neither memory nor anybody's time, and what it may lose, it loses only to
// a compaction, which it is told of.
//
// The hub has no thread: whoever owns it calls RunOnce() from one thread, again and again
// (WatchThread does). Everything else may be called from any thread. Sinks are called by RunOnce()
// and Close() alone.
class WatchHub final : public ChangeListener {
 public:
  struct Options {
    // How long a watch that asked for progress goes without any response, at most.
    int64_t progress_interval_ms = 600'000;
    // Fills in what is known of the cluster; the revision is there already.
    std::function<void(etcdserverpb::ResponseHeader&)> fill_header;
  };

  // Committed changes that wait for delivery in memory, at most. What exceeds it is dropped, and
  // every live watch is behind.
  static constexpr size_t kMaxWaitingBytes = 16u << 20;
  // A catch-up response ends with the revision that exceeds this; a round loads four times as much.
  static constexpr size_t kResponseBytes = 1u << 20;

  // The store must outlive the hub. The caller makes the hub the store's listener.
  WatchHub(const Mvcc& store, const base::Clock& clock, Options options);
  ~WatchHub() override;

  // Never fails here: what is wrong with the request, the sink hears.
  std::unique_ptr<Watch> Open(const etcdserverpb::WatchCreateRequest& request, WatchSink* sink);

  // One bounded round of deliveries. Returns whether the next could do something at once.
  bool RunOnce();
  // Returns when there is something for RunOnce() to do, perhaps sooner, or after `timeout`.
  void WaitForWork(std::chrono::nanoseconds timeout);
  // When RunOnce() must be called even if nothing happens, on the clock's monotonic scale.
  int64_t NextProgressNs() const { return next_progress_ns_; }
  // Makes WaitForWork() return.
  void Wake();

  // Ends all watches, with `status`, on this thread; no RunOnce() may be under way or follow. Those
  // that are opened later end at once, in the same way.
  void Close(const base::Status& status);

  bool WantsEvents() const override;
  bool WantsPrevious() const override;
  void OnCommitted(std::shared_ptr<const CommittedChanges> changes) override;

 private:
  class PageEvents;
  enum class Delivered { kMore, kPaused, kClosed };

  // ---- of the delivering thread ----
  void Greet(const WatcherPtr& watcher);
  void Dispatch(const CommittedChanges& changes);
  void DispatchEvents(const CommittedChanges& changes);
  bool CatchUp();
  void CatchUp(const WatcherPtr& watcher, PageEvents& events, int64_t compacted_revision);
  void Settle(const WatcherPtr& watcher, Delivered delivered);
  void LeaveIndex(const WatcherPtr& watcher, int64_t next_revision);
  void AllLiveAreBehind(int64_t from, int64_t through);
  void CancelCompacted(const WatcherPtr& watcher, int64_t compacted_revision);
  void AskPeriodicProgress();
  void SendProgress();
  bool SendProgressTo(const WatcherPtr& watcher);
  Delivered Deliver(const WatcherPtr& watcher, etcdserverpb::WatchResponse& response);
  void End(const WatcherPtr& watcher, const base::Status& status);

  const Mvcc& store_;
  const base::Clock& clock_;
  const Options options_;
  const std::shared_ptr<WatchShared> shared_;
  std::atomic<uint64_t> next_id_{1};

  // ---- of the delivering thread ----
  WatchIndex live_;
  std::deque<WatcherPtr> behind_;
  std::vector<WatcherPtr> awaiting_progress_;
  int64_t dispatched_revision_;  // live watches have had everything up to here
  std::atomic<int64_t> next_progress_ns_;
};

}  // namespace matricula::kv
