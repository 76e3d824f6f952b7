#include "common/sync/cached_store.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/domain/keys.h"
#include "common/sync/plain_read.h"
#include "common/sync/read_barrier.h"
#include "common/sync/record_cache.h"
#include "common/sync/relay_keys.h"
#include "common/sync/relay_message.h"
#include "common/sync/waiting_reads.h"

namespace matricula::sync {
namespace {

using base::Result;
using base::Status;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;
using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchResponse;
using mvccpb::KeyValue;

// After the bus was late, reads ask the store at once for so long.
constexpr int64_t kDistrustMs = 500;

}  // namespace

class CachedStore::Impl final : public std::enable_shared_from_this<Impl>,
                                private mqtt::Listener,
                                private store::WatchSink {
 public:
  Impl(store::Store& store, domain::Timer& timer, const base::Clock& clock, Options options)
      : store_(store),
        timer_(timer),
        clock_(clock),
        options_(std::move(options)),
        cache_(options_.max_keys, options_.max_bytes) {}

  void Start() {
    // A question that is under way must not keep us alive for ever, nor find us gone.
    barrier_ = std::make_shared<ReadBarrier>(
        store_, timer_,
        [weak = weak_from_this()](std::vector<PendingRead>& reads,
                                  const Result<RangeResponse>& answer) {
          if (const auto self = weak.lock()) return self->OnLastChange(reads, answer);
          const Status gone(base::Code::kUnavailable, "the server stops");
          for (PendingRead& read : reads) std::move(read.done)(gone);
        });
    mqtt::ClientOptions options = options_.mqtt;
    options.subscriptions = {"portal/admin/#", "portal/mat/#"};
    mqtt::Listener& listener = *this;
    auto client = std::make_unique<mqtt::Client>(std::move(options), clock_, listener);
    client->Start();
    const base::MutexLock lock(mutex_);
    client_ = std::move(client);
  }

  // Ends the threads that call us; what waits is answered by the store's refusal.
  void Stop() {
    std::unique_ptr<mqtt::Client> client;
    {
      const base::MutexLock lock(mutex_);
      client = std::move(client_);
    }
    client.reset();
    barrier_->Close();
    std::unique_ptr<store::Watch> watch;
    std::vector<PendingRead> waiting;
    {
      const base::MutexLock lock(mutex_);
      stopping_ = true;
      connected_ = false;
      watch = std::move(watch_);
      waiting = waiting_.TakeAll();
    }
    watch.reset();
    for (PendingRead& read : waiting) AskStore(std::move(read));
  }

  void ReadRecord(PendingRead read) { barrier_->Add(std::move(read)); }

  CacheStats Stats() const {
    const uint64_t questions = barrier_ ? barrier_->questions() : 0;
    const base::MutexLock lock(mutex_);
    CacheStats stats = stats_;
    stats.questions = questions;
    stats.keys = cache_.size();
    stats.bytes = cache_.bytes();
    stats.evictions = cache_.evictions();
    if (client_) stats.bus = client_->Stats();
    return stats;
  }

 private:
  void OnLastChange(std::vector<PendingRead>& reads, const Result<RangeResponse>& answer) {
    if (!answer.ok()) {
      for (PendingRead& read : reads) std::move(read.done)(answer.status());
      return;
    }
    AdoptCluster(answer->header().cluster_id());
    const int64_t last_change = answer->kvs().empty() ? 0 : answer->kvs(0).mod_revision();
    for (PendingRead& read : reads) {
      read.last_change = last_change;
      read.revision = answer->header().revision();
    }
    Resolve(reads);
  }

  // Answers each read from memory, lets it wait for the bus, or asks the store.
  void Resolve(std::vector<PendingRead>& reads) {
    std::vector<std::pair<PendingRead, RangeResponse>> known;
    known.reserve(reads.size());
    std::vector<PendingRead> unknown;
    {
      const base::MutexLock lock(mutex_);
      for (PendingRead& read : reads) {
        if (const auto* value = cache_.Find(read.key, read.last_change)) {
          ++stats_.hits;
          auto& [taken, response] = known.emplace_back(std::move(read), RangeResponse());
          FillResponse(*value, taken.revision, response);
        } else if (!cache_.MayKnow(read.key)) {
          ++stats_.misses;
          unknown.push_back(std::move(read));
        } else if (MayWait()) {
          read.deadline_ms = clock_.MonotonicMs() + options_.max_wait_ms;
          waiting_.Add(std::move(read));
          ScheduleSweep();
        } else {
          ++stats_.fallbacks;
          unknown.push_back(std::move(read));
        }
      }
    }
    for (auto& [read, response] : known) std::move(read.done)(std::move(response));
    for (PendingRead& read : unknown) AskStore(std::move(read));
  }

  static void FillResponse(const RecordCache::Value& value, int64_t revision,
                           RangeResponse& response) {
    response.mutable_header()->set_revision(revision);
    if (!value) return;
    response.set_count(1);
    *response.add_kvs() = *value;
  }

  bool MayWait() REQUIRES(mutex_) {
    return connected_ && !stopping_ && !waiting_.full() &&
           clock_.MonotonicMs() >= distrusted_until_ms_;
  }

  void AskStore(PendingRead read) {
    RangeRequest request;
    request.set_key(read.key);
    store_.Range(request, [self = shared_from_this(),
                           read = std::move(read)](Result<RangeResponse> answer) mutable {
      if (!answer.ok()) return std::move(read.done)(answer.status());
      self->Keep(read.key, *answer);
      std::move(read.done)(std::move(answer));
    });
  }

  void Keep(const std::string& key, const RangeResponse& answer) {
    RecordCache::Value value;
    if (!answer.kvs().empty()) value = answer.kvs(0);
    const base::MutexLock lock(mutex_);
    // An answer of a store that was there before this one.
    if (answer.header().cluster_id() != cluster_) return;
    cache_.Keep(key, std::move(value), answer.header().revision());
  }

  // ---- reads that wait for the bus ----

  void ScheduleSweep() REQUIRES(mutex_) {
    if (std::exchange(sweep_scheduled_, true)) return;
    timer_.After(options_.max_wait_ms, [self = weak_from_this()] {
      if (const auto impl = self.lock()) impl->Sweep();
    });
  }

  // Those whose time is over ask the store; that the bus was late calls for a watch.
  void Sweep() {
    std::vector<PendingRead> late;
    int64_t wanted = 0;
    {
      const base::MutexLock lock(mutex_);
      sweep_scheduled_ = false;
      const int64_t now_ms = clock_.MonotonicMs();
      late = stopping_ ? waiting_.TakeAll() : waiting_.TakeLate(now_ms);
      if (!waiting_.empty()) ScheduleSweep();
      stats_.fallbacks += late.size();
      for (const PendingRead& read : late) wanted = std::max(wanted, read.last_change);
      if (!late.empty()) distrusted_until_ms_ = now_ms + kDistrustMs;
    }
    if (wanted > 0) CatchUp(wanted);
    for (PendingRead& read : late) AskStore(std::move(read));
  }

  // Memory has got further: who was waiting for that?
  void Wake() {
    std::vector<PendingRead> reads;
    {
      const base::MutexLock lock(mutex_);
      reads = waiting_.TakeReached(cache_.reached());
      stats_.waits += reads.size();
    }
    if (!reads.empty()) Resolve(reads);
  }

  // ---- what the relay says over the bus ----

  void OnConnected() override {
    const base::MutexLock lock(mutex_);
    connected_ = true;
  }
  void OnDisconnected(const Status&) override {
    const base::MutexLock lock(mutex_);
    connected_ = false;
  }
  void OnPublished(uint64_t) override {}
  void OnMessage(mqtt::Message message) override {
    int64_t gap_up_to = 0;
    {
      const base::MutexLock lock(mutex_);
      const auto place = PlaceOf(message, cluster_text_);
      if (!place || place->rev <= cache_.reached()) return;
      if (place->prev > cache_.reached()) {
        gap_up_to = place->prev;
      } else {
        Note(*place, RecordKeyOf(message));
      }
    }
    if (gap_up_to > 0) CatchUp(gap_up_to);
    Wake();
  }

  // One part of a revision; it counts when all parts are there. After a hole the parts of a later
  // revision are not kept: the watch brings them.
  void Note(const Place& place, std::optional<std::string> key) REQUIRES(mutex_) {
    if (rev_ != place.rev || place.part == 1) {
      rev_ = place.rev;
      next_part_ = 1;
      changed_.clear();
    }
    if (place.part != next_part_) return;
    ++next_part_;
    if (key) changed_.push_back(std::move(*key));
    if (place.part == place.parts) cache_.Reach(rev_, changed_);
  }

  // ---- mending a hole: a watch from the last good revision up to `revision` ----

  void CatchUp(int64_t revision) {
    int64_t from = 0;
    {
      const base::MutexLock lock(mutex_);
      catch_up_to_ = std::max(catch_up_to_, revision);
      if (stopping_ || catching_up_ || catch_up_to_ <= cache_.reached()) return;
      ++stats_.gaps;
      // An empty memory has nothing that could be stale.
      if (cache_.size() == 0) {
        cache_.Reach(catch_up_to_, {});
        return;
      }
      catching_up_ = true;
      from = cache_.reached() + 1;
    }
    WatchCreateRequest request;
    request.set_key(std::string(kDomainBegin));
    request.set_range_end(std::string(kDomainEnd));
    request.set_start_revision(from);
    auto watch = store_.OpenWatch(request, this);
    const base::MutexLock lock(mutex_);
    watch_ = std::move(watch);
  }

  bool OnResponse(const WatchResponse& response) override {
    if (response.canceled()) return true;
    bool done = false;
    {
      const base::MutexLock lock(mutex_);
      int64_t revision = 0;
      std::vector<std::string> changed;
      for (const mvccpb::Event& event : response.events()) {
        if (event.kv().mod_revision() != revision && revision != 0) {
          cache_.Reach(revision, changed);
          changed.clear();
        }
        revision = event.kv().mod_revision();
        if (IsRecordKey(event.kv().key())) changed.push_back(event.kv().key());
      }
      if (revision != 0) cache_.Reach(revision, changed);
      done = cache_.reached() >= catch_up_to_;
    }
    Wake();
    if (done) EndCatchUp();
    return true;
  }

  void OnEnd(const Status& status) override {
    base::log::Debug("cache.watch_ended", {{"reason", status.message()}});
    {
      // What was missed will not be told: forget everything.
      const base::MutexLock lock(mutex_);
      const int64_t reached = std::max(cache_.reached(), catch_up_to_);
      cache_.Clear();
      cache_.Reach(reached, {});
    }
    EndCatchUp();
  }

  // A watch may not be destroyed by its own sink's thread while that runs: the timer does it.
  void EndCatchUp() {
    {
      const base::MutexLock lock(mutex_);
      if (std::exchange(ending_, true)) return;
    }
    timer_.After(0, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      std::unique_ptr<store::Watch> watch;
      int64_t more = 0;
      {
        const base::MutexLock lock(self->mutex_);
        watch = std::move(self->watch_);
        self->catching_up_ = false;
        self->ending_ = false;
        if (self->catch_up_to_ > self->cache_.reached()) more = self->catch_up_to_;
      }
      watch.reset();
      if (more > 0) self->CatchUp(more);
    });
  }

  void AdoptCluster(uint64_t cluster) {
    const base::MutexLock lock(mutex_);
    if (cluster == cluster_) return;
    cluster_ = cluster;
    cluster_text_ = fmt::format("{:x}", cluster);
    cache_.Clear();
    rev_ = 0;
    catch_up_to_ = 0;
  }

  store::Store& store_;
  domain::Timer& timer_;
  const base::Clock& clock_;
  const Options options_;
  std::shared_ptr<ReadBarrier> barrier_;  // from Start on

  mutable base::Mutex mutex_;
  RecordCache cache_ GUARDED_BY(mutex_);
  CacheStats stats_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool connected_ GUARDED_BY(mutex_) = false;
  uint64_t cluster_ GUARDED_BY(mutex_) = 0;
  std::string cluster_text_ GUARDED_BY(mutex_);

  WaitingReads waiting_ GUARDED_BY(mutex_);  // for the bus
  bool sweep_scheduled_ GUARDED_BY(mutex_) = false;
  int64_t distrusted_until_ms_ GUARDED_BY(mutex_) = 0;

  // The revision whose messages are arriving.
  int64_t rev_ GUARDED_BY(mutex_) = 0;
  int next_part_ GUARDED_BY(mutex_) = 1;
  std::vector<std::string> changed_ GUARDED_BY(mutex_);

  bool catching_up_ GUARDED_BY(mutex_) = false;
  bool ending_ GUARDED_BY(mutex_) = false;  // the watch is about to be destroyed
  int64_t catch_up_to_ GUARDED_BY(mutex_) = 0;
  std::unique_ptr<store::Watch> watch_ GUARDED_BY(mutex_);

  std::unique_ptr<mqtt::Client> client_ GUARDED_BY(mutex_);
};

CachedStore::CachedStore(store::Store& store, domain::Timer& timer, const base::Clock& clock,
                         Options options)
    : store_(store), impl_(std::make_shared<Impl>(store, timer, clock, std::move(options))) {}

CachedStore::~CachedStore() { impl_->Stop(); }

void CachedStore::Start() { impl_->Start(); }

CacheStats CachedStore::Stats() const { return impl_->Stats(); }

void CachedStore::Range(const RangeRequest& request, base::Done<RangeResponse> done) {
  if (!IsPlainRead(request)) return store_.Range(request, std::move(done));
  PendingRead read;
  read.key = request.key();
  read.done = std::move(done);
  impl_->ReadRecord(std::move(read));
}

void CachedStore::Txn(TxnRequest request, base::Done<TxnResponse> done) {
  store_.Txn(std::move(request), std::move(done));
}

std::unique_ptr<store::Watch> CachedStore::OpenWatch(const WatchCreateRequest& request,
                                                     store::WatchSink* sink) {
  return store_.OpenWatch(request, sink);
}

void CachedStore::LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                             base::Done<etcdserverpb::LeaseGrantResponse> done) {
  store_.LeaseGrant(request, std::move(done));
}

void CachedStore::LeaseKeepAlive(int64_t lease_id,
                                 base::Done<etcdserverpb::LeaseKeepAliveResponse> done) {
  store_.LeaseKeepAlive(lease_id, std::move(done));
}

}  // namespace matricula::sync
