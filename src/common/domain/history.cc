#include "common/domain/history.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/base/mutex.h"
#include "common/domain/keys.h"
#include "common/domain/records.h"

namespace matricula::domain {
namespace {

constexpr int64_t kRetryMs = 20;

// What one watch has told: how far it came, and the writer if it came past him.
struct Sight {
  base::Status end;  // why it ended before `upto`; ok if it did not
  int64_t seen_upto = 0;
  std::optional<int64_t> found;
};

// One watch over the range. Lives until the watch is over and has been destroyed, which must not
// happen inside the watch's own calls: the timer does it.
class Search final : public store::WatchSink, public std::enable_shared_from_this<Search> {
 public:
  Search(Timer& timer, std::string token, HistoryRange range, base::Done<Sight> done)
      : timer_(timer), token_(std::move(token)), range_(range), done_(std::move(done)) {
    sight_.seen_upto = range.after;
  }

  void Start(store::Store& store, int64_t time_ms) {
    timer_.After(time_ms, [self = shared_from_this()] {
      self->End({base::Code::kDeadlineExceeded, "the history takes too long to read"});
    });
    etcdserverpb::WatchCreateRequest request;
    request.set_key(std::string(kMudancaKey));
    request.set_start_revision(range_.after + 1);
    auto watch = store.OpenWatch(request, this);
    base::MutexLock lock(mutex_);
    watch_ = std::move(watch);
    opened_ = true;
    if (ended_) PostFinish();
  }

  bool OnResponse(const etcdserverpb::WatchResponse& response) override {
    bool over = false;
    {
      base::MutexLock lock(mutex_);
      if (ended_) return true;
      for (const auto& event : response.events()) over = over || Look(event.kv());
    }
    if (over) End(base::OkStatus());
    return true;
  }

  void OnEnd(const base::Status& status) override {
    End(status.ok() ? base::Status(base::Code::kUnavailable, "the watch ended") : status);
  }

 private:
  // True once there is nothing more to look for.
  bool Look(const mvccpb::KeyValue& pair) REQUIRES(mutex_) {
    sight_.seen_upto = pair.mod_revision();
    const auto writer = DecodeMudanca(pair.value());
    if (writer.ok() && *writer == token_) sight_.found = pair.mod_revision();
    return sight_.found || pair.mod_revision() >= range_.upto;
  }

  void End(base::Status status) {
    base::MutexLock lock(mutex_);
    if (ended_) return;
    ended_ = true;
    sight_.end = std::move(status);
    if (opened_) PostFinish();
  }

  void PostFinish() REQUIRES(mutex_) {
    timer_.After(0, [self = shared_from_this()] { self->Finish(); });
  }

  void Finish() {
    std::unique_ptr<store::Watch> watch;
    Sight sight;
    {
      base::MutexLock lock(mutex_);
      watch = std::move(watch_);
      sight = sight_;
    }
    watch.reset();
    std::move(done_)(std::move(sight));
  }

  Timer& timer_;
  const std::string token_;
  const HistoryRange range_;
  base::Done<Sight> done_;  // called by Finish alone
  base::Mutex mutex_;
  Sight sight_ GUARDED_BY(mutex_);
  std::unique_ptr<store::Watch> watch_ GUARDED_BY(mutex_);
  bool opened_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
};

}  // namespace

Task<base::Result<std::optional<int64_t>>> FindWriter(store::Store& store, Timer& timer,
                                                      const base::Clock& clock, std::string token,
                                                      HistoryRange range, int64_t deadline_ms) {
  while (range.after < range.upto) {
    const int64_t time_ms = std::max<int64_t>(0, deadline_ms - clock.MonotonicMs());
    auto sight = co_await Call<Sight>([&](base::Done<Sight> done) {
      std::make_shared<Search>(timer, token, range, std::move(done))->Start(store, time_ms);
    });
    if (sight->found) co_return sight->found;
    if (sight->end.ok()) break;
    const bool hopeless = sight->end.code() == base::Code::kOutOfRange;
    if (hopeless || clock.MonotonicMs() >= deadline_ms) co_return sight->end;
    // A watch that was cut off, or too slow for its store: another goes on where it ended.
    range.after = sight->seen_upto;
    (void)co_await Call<bool>([&](base::Done<bool> done) {
      timer.After(kRetryMs, [done = std::move(done)]() mutable { std::move(done)(true); });
    });
  }
  co_return std::optional<int64_t>();
}

}  // namespace matricula::domain
