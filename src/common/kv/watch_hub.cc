#include "common/kv/watch_hub.h"

#include <algorithm>
#include <utility>

#include "common/base/ensure.h"
#include "common/kv/errors.h"
#include "common/kv/watch_shared.h"

namespace matricula::kv {

using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;
using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchResponse;

namespace {

size_t BytesOf(const mvccpb::Event& event) {
  constexpr size_t kOverhead = 200;
  return kOverhead + event.kv().key().size() + event.kv().value().size() +
         event.prev_kv().value().size();
}

void CopyEvent(const mvccpb::Event& from, bool with_previous, mvccpb::Event& to) {
  to.set_type(from.type());
  *to.mutable_kv() = from.kv();
  if (with_previous && from.has_prev_kv()) *to.mutable_prev_kv() = from.prev_kv();
}

std::shared_ptr<const CommittedChanges> Dropped(int64_t first_revision, int64_t last_revision) {
  auto dropped = std::make_shared<CommittedChanges>();
  dropped->first_revision = first_revision;
  dropped->last_revision = last_revision;
  return dropped;
}

}  // namespace

// The events of a page, each loaded once for all watches of a round.
class WatchHub::PageEvents {
 public:
  explicit PageEvents(ChangePage page) : page_(std::move(page)), loaded_(page_.entries().size()) {}

  const std::vector<ChangePage::Entry>& entries() const { return page_.entries(); }
  int64_t last_revision() const { return page_.last_revision(); }
  size_t loaded_bytes() const { return loaded_bytes_; }

  Result<const mvccpb::Event*> Get(size_t number, bool with_previous, int64_t compacted_revision) {
    Loaded& loaded = loaded_[number];
    if (!loaded.event || (with_previous && !loaded.with_previous)) {
      auto event = std::make_unique<mvccpb::Event>();
      Status status =
          page_.Load(page_.entries()[number], with_previous, compacted_revision, *event);
      if (!status.ok()) return status;
      loaded.event = std::move(event);
      loaded.with_previous = with_previous;
      loaded_bytes_ += BytesOf(*loaded.event);
    }
    return loaded.event.get();
  }

 private:
  struct Loaded {
    std::unique_ptr<mvccpb::Event> event;
    bool with_previous = false;
  };

  ChangePage page_;
  std::vector<Loaded> loaded_;
  size_t loaded_bytes_ = 0;
};

// ---- from any thread ----

WatchHub::WatchHub(const Mvcc& store, const base::Clock& clock, Options options)
    : store_(store),
      clock_(clock),
      options_(std::move(options)),
      shared_(std::make_shared<WatchShared>()),
      dispatched_revision_(store.revision()),
      next_progress_ns_(clock.MonotonicNs() + options_.progress_interval_ms * 1'000'000) {}

WatchHub::~WatchHub() { Close({Code::kCancelled, "the store closes"}); }

bool WatchHub::WantsEvents() const { return shared_->open_count > 0; }

bool WatchHub::WantsPrevious() const { return shared_->previous_count > 0; }

std::unique_ptr<Watch> WatchHub::Open(const WatchCreateRequest& request, WatchSink* sink) {
  auto watcher = std::make_shared<Watcher>(next_id_++, request, sink);
  auto handle = std::make_unique<WatchHandle>(shared_, watcher);
  std::optional<Status> closed;
  {
    const MutexLock lock(shared_->mutex);
    // Counted before the revision is taken, so that the events of all later groups are collected.
    shared_->Remember(watcher);
    watcher->created_revision = store_.revision();
    watcher->next_revision =
        request.start_revision() == 0 ? watcher->created_revision + 1 : request.start_revision();
    closed = shared_->hub_closed;
    if (!closed) shared_->inbox.opened.push_back(watcher);
    shared_->work.NotifyOne();
  }
  if (closed) End(watcher, *closed);
  return handle;
}

void WatchHub::OnCommitted(std::shared_ptr<const CommittedChanges> changes) {
  size_t bytes = sizeof(CommittedChanges);
  for (const auto& event : changes->events) bytes += BytesOf(event);
  const MutexLock lock(shared_->mutex);
  auto& waiting = shared_->inbox.changes;
  shared_->waiting_bytes += bytes;
  if (shared_->waiting_bytes > kMaxWaitingBytes) {
    const int64_t first =
        waiting.empty() ? changes->first_revision : waiting.front()->first_revision;
    waiting.assign(1, Dropped(first, changes->last_revision));
    shared_->waiting_bytes = sizeof(CommittedChanges);
  } else {
    waiting.push_back(std::move(changes));
  }
  shared_->work.NotifyOne();
}

void WatchHub::WaitForWork(std::chrono::nanoseconds timeout) {
  const MutexLock lock(shared_->mutex);
  if (shared_->inbox.empty() && !shared_->woken) shared_->work.WaitFor(shared_->mutex, timeout);
  shared_->woken = false;
}

void WatchHub::Wake() {
  const MutexLock lock(shared_->mutex);
  shared_->woken = true;
  shared_->work.NotifyOne();
}

void WatchHub::Close(const Status& status) {
  std::map<uint64_t, WatcherPtr> open;
  {
    const MutexLock lock(shared_->mutex);
    shared_->hub_closed = status;
    open = shared_->open;
  }
  for (const auto& [id, watcher] : open) End(watcher, status);
}

// ---- on the delivering thread ----

bool WatchHub::RunOnce() {
  WatchInbox inbox;
  {
    const MutexLock lock(shared_->mutex);
    std::swap(inbox, shared_->inbox);
    shared_->waiting_bytes = 0;
  }
  for (const WatcherPtr& watcher : inbox.closed) {
    if (watcher->live) live_.Remove(watcher);
    watcher->live = false;
    watcher->gone = true;
  }
  for (const WatcherPtr& watcher : inbox.opened) Greet(watcher);
  for (const WatcherPtr& watcher : inbox.resumed) Settle(watcher, Delivered::kMore);
  for (const auto& changes : inbox.changes) Dispatch(*changes);
  const bool readable = behind_.empty() || CatchUp();
  for (const WatcherPtr& watcher : inbox.progress) awaiting_progress_.push_back(watcher);
  AskPeriodicProgress();
  SendProgress();
  if (!behind_.empty() && readable) return true;
  const MutexLock lock(shared_->mutex);
  return !shared_->inbox.empty();
}

void WatchHub::Greet(const WatcherPtr& watcher) {
  if (watcher->range().empty()) {
    return End(watcher, {Code::kInvalidArgument, errors::kEmptyWatchRange});
  }
  WatchResponse response;
  response.set_created(true);
  response.mutable_header()->set_revision(watcher->created_revision);
  Settle(watcher, Deliver(watcher, response));
}

// Puts a watch that is not live where it belongs after a call of its sink.
void WatchHub::Settle(const WatcherPtr& watcher, Delivered delivered) {
  if (watcher->gone || delivered != Delivered::kMore) return;  // Resume() may bring it back
  if (watcher->next_revision > dispatched_revision_) {
    watcher->live = true;
    live_.Add(watcher);
  } else {
    behind_.push_back(watcher);
  }
}

void WatchHub::LeaveIndex(const WatcherPtr& watcher, int64_t next_revision) {
  live_.Remove(watcher);
  watcher->live = false;
  watcher->next_revision = std::max(watcher->next_revision, next_revision);
}

// But for those that wait for later revisions: they would have nothing to catch up with, ever.
void WatchHub::AllLiveAreBehind(int64_t from, int64_t through) {
  std::vector<WatcherPtr> lacking;
  live_.ForEach([&](const WatcherPtr& watcher) {
    if (watcher->next_revision <= through) lacking.push_back(watcher);
  });
  for (const WatcherPtr& watcher : lacking) {
    LeaveIndex(watcher, from);
    behind_.push_back(watcher);
  }
}

void WatchHub::Dispatch(const CommittedChanges& changes) {
  ENSURE(changes.first_revision <= dispatched_revision_ + 1, "no revision is passed over");
  if (changes.has_events) {
    DispatchEvents(changes);
  } else {
    AllLiveAreBehind(changes.first_revision, changes.last_revision);
  }
  dispatched_revision_ = changes.last_revision;
}

void WatchHub::DispatchEvents(const CommittedChanges& changes) {
  std::map<uint64_t, std::pair<WatcherPtr, WatchResponse>> responses;
  std::map<uint64_t, WatcherPtr> lacking_previous;
  for (const auto& event : changes.events) {
    const bool is_deletion = event.type() == mvccpb::Event::DELETE;
    live_.ForEachWatching(event.kv().key(), [&](const WatcherPtr& watcher) {
      if (is_deletion ? watcher->no_deletions : watcher->no_puts) return;
      if (event.kv().mod_revision() < watcher->next_revision) return;
      if (watcher->with_previous && !changes.has_previous) {
        lacking_previous.emplace(watcher->id, watcher);
        return;
      }
      auto& [to, response] = responses[watcher->id];
      to = watcher;
      CopyEvent(event, watcher->with_previous, *response.add_events());
    });
  }
  for (const auto& [id, watcher] : lacking_previous) {
    LeaveIndex(watcher, changes.first_revision);
    behind_.push_back(watcher);
  }
  for (auto& [id, addressed] : responses) {
    auto& [watcher, response] = addressed;
    response.mutable_header()->set_revision(changes.last_revision);
    if (Deliver(watcher, response) != Delivered::kMore) {
      LeaveIndex(watcher, changes.last_revision + 1);
    }
  }
}

// One page of the past, for the watch that has waited longest and for all others that can use it.
// False: the store's rows are being replaced; its next change tells when that is over.
bool WatchHub::CatchUp() {
  const uint64_t generation = store_.generation();
  const int64_t visible = store_.revision();
  const auto snapshot = store_.engine().NewSnapshot();
  const int64_t compacted = store_.compacted_revision();
  if (generation % 2 != 0 || generation != store_.generation()) return false;
  const int64_t from = std::max(behind_.front()->next_revision, compacted);
  auto page = ChangePage::Read(store_.engine(), *snapshot, from, visible);
  if (!page.ok()) {
    const WatcherPtr watcher = behind_.front();
    behind_.pop_front();
    End(watcher, page.status());
    return true;
  }
  PageEvents events(std::move(page).value());
  std::deque<WatcherPtr> waiting;
  std::swap(waiting, behind_);
  for (size_t i = 0; i < waiting.size(); ++i) {
    const WatcherPtr& watcher = waiting[i];
    const bool fits = watcher->next_revision >= from || watcher->next_revision < compacted;
    const bool first = i == 0;
    const bool room = first || events.loaded_bytes() < 4 * kResponseBytes;
    if (fits && room && watcher->next_revision <= events.last_revision() + 1) {
      CatchUp(watcher, events, compacted);
    } else {
      behind_.push_back(watcher);
    }
  }
  return true;
}

void WatchHub::CatchUp(const WatcherPtr& watcher, PageEvents& events, int64_t compacted_revision) {
  if (watcher->next_revision < compacted_revision) {
    return CancelCompacted(watcher, compacted_revision);
  }
  WatchResponse response;
  size_t bytes = 0;
  int64_t through = events.last_revision();
  for (size_t i = 0; i < events.entries().size(); ++i) {
    const ChangePage::Entry& entry = events.entries()[i];
    if (entry.revision.main < watcher->next_revision) continue;
    if (bytes > kResponseBytes && entry.revision.main != events.entries()[i - 1].revision.main) {
      through = entry.revision.main - 1;
      break;
    }
    if (!watcher->Wants(entry.key, entry.tombstone)) continue;
    const auto event = events.Get(i, watcher->with_previous, compacted_revision);
    if (!event.ok()) return End(watcher, event.status());
    CopyEvent(**event, watcher->with_previous, *response.add_events());
    bytes += BytesOf(**event);
  }
  watcher->next_revision = std::max(watcher->next_revision, through + 1);
  if (response.events().empty()) return Settle(watcher, Delivered::kMore);
  response.mutable_header()->set_revision(through);
  Settle(watcher, Deliver(watcher, response));
}

void WatchHub::CancelCompacted(const WatcherPtr& watcher, int64_t compacted_revision) {
  WatchResponse response;
  response.set_canceled(true);
  response.set_compact_revision(compacted_revision);
  if (Deliver(watcher, response) != Delivered::kClosed) End(watcher, errors::Compacted());
}

void WatchHub::AskPeriodicProgress() {
  const int64_t interval_ns = options_.progress_interval_ms * 1'000'000;
  const int64_t now_ns = clock_.MonotonicNs();
  if (now_ns < next_progress_ns_) return;
  live_.ForEach([&](const WatcherPtr& watcher) {
    if (!watcher->notify_progress || watcher->last_response_ns > now_ns - interval_ns) return;
    awaiting_progress_.push_back(watcher);
  });
  next_progress_ns_ = now_ns + interval_ns;
}

void WatchHub::SendProgress() {
  std::vector<WatcherPtr> asking;
  std::swap(asking, awaiting_progress_);
  for (const WatcherPtr& watcher : asking) {
    if (!SendProgressTo(watcher)) awaiting_progress_.push_back(watcher);
  }
}

// False: not yet, because not everything up to now has been delivered.
bool WatchHub::SendProgressTo(const WatcherPtr& watcher) {
  if (!watcher->live) {
    const MutexLock lock(shared_->mutex);
    return watcher->closed;
  }
  {
    const MutexLock lock(shared_->mutex);
    watcher->progress_wanted = false;
  }
  const int64_t seen = std::min(watcher->next_revision - 1, store_.revision());
  WatchResponse response;
  response.mutable_header()->set_revision(std::max(dispatched_revision_, seen));
  if (Deliver(watcher, response) != Delivered::kMore) {
    LeaveIndex(watcher, dispatched_revision_ + 1);
  }
  return true;
}

WatchHub::Delivered WatchHub::Deliver(const WatcherPtr& watcher, WatchResponse& response) {
  if (options_.fill_header && response.has_header()) {
    options_.fill_header(*response.mutable_header());
  }
  {
    const MutexLock lock(shared_->mutex);
    if (watcher->closed) return Delivered::kClosed;
    watcher->resumed = false;
    shared_->delivering = watcher.get();
    shared_->delivering_thread = std::this_thread::get_id();
  }
  watcher->last_response_ns = clock_.MonotonicNs();
  const bool wants_more = watcher->sink->OnResponse(response);
  const MutexLock lock(shared_->mutex);
  shared_->delivering = nullptr;
  shared_->delivering_thread = {};
  shared_->delivered.NotifyAll();
  if (watcher->closed) return Delivered::kClosed;
  watcher->paused = !wants_more && !watcher->resumed;
  return watcher->paused ? Delivered::kPaused : Delivered::kMore;
}

void WatchHub::End(const WatcherPtr& watcher, const Status& status) {
  {
    const MutexLock lock(shared_->mutex);
    if (watcher->closed) return;
    watcher->closed = true;
    shared_->Forget(watcher);
    shared_->delivering = watcher.get();
    shared_->delivering_thread = std::this_thread::get_id();
  }
  watcher->sink->OnEnd(status);
  const MutexLock lock(shared_->mutex);
  shared_->delivering = nullptr;
  shared_->delivering_thread = {};
  shared_->delivered.NotifyAll();
}

}  // namespace matricula::kv
