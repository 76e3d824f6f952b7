#include "common/kv/watch_shared.h"

#include <utility>

namespace matricula::kv {

using base::MutexLock;

void WatchShared::Remember(const WatcherPtr& watcher) {
  open.emplace(watcher->id, watcher);
  ++open_count;
  if (watcher->with_previous) ++previous_count;
}

void WatchShared::Forget(const WatcherPtr& watcher) {
  if (open.erase(watcher->id) == 0) return;
  --open_count;
  if (watcher->with_previous) --previous_count;
  inbox.closed.push_back(watcher);
  work.NotifyOne();
}

WatchHandle::~WatchHandle() {
  const MutexLock lock(shared_->mutex);
  watcher_->closed = true;
  shared_->Forget(watcher_);
  // From within the sink itself there is nothing to wait for.
  if (shared_->delivering_thread == std::this_thread::get_id()) return;
  while (shared_->delivering == watcher_.get()) shared_->delivered.Wait(shared_->mutex);
}

void WatchHandle::Resume() {
  const MutexLock lock(shared_->mutex);
  watcher_->resumed = true;
  if (!std::exchange(watcher_->paused, false)) return;
  shared_->inbox.resumed.push_back(watcher_);
  shared_->work.NotifyOne();
}

void WatchHandle::RequestProgress() {
  const MutexLock lock(shared_->mutex);
  if (std::exchange(watcher_->progress_wanted, true)) return;
  shared_->inbox.progress.push_back(watcher_);
  shared_->work.NotifyOne();
}

}  // namespace matricula::kv
