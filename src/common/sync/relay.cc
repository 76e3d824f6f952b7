#include "common/sync/relay.h"

#include <deque>
#include <limits>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/sync/await.h"
#include "common/sync/relay_keys.h"
#include "common/sync/translator.h"

namespace matricula::sync {
namespace {

using base::Code;
using base::Result;
using base::Status;
using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;
using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchResponse;
using mvccpb::Event;

// After trouble with the store or the broker.
constexpr int64_t kPauseMs = 500;
// A broker that dies forgets what it acknowledged in its last moments. So the cursor stays this far
// behind, and whatever breaks, that much is told again.
constexpr int64_t kRetellMs = 5'000;
// How fine the cursor knows what was acknowledged when.
constexpr int64_t kSampleMs = 100;

// Where the relay stands in the store.
struct Cursor {
  int64_t rev = 0;
  int64_t mod_revision = 0;  // of the key that keeps it; 0: there is none yet
};

std::string EncodeCursor(int64_t rev) { return nlohmann::json{{"rev", rev}}.dump(); }

std::optional<int64_t> DecodeCursor(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("rev") || !json["rev"].is_number_integer()) {
    return std::nullopt;
  }
  return json["rev"].get<int64_t>();
}

// Changes of one revision, out of a response that has those of several.
std::vector<std::vector<const Event*>> ByRevision(const WatchResponse& response) {
  std::vector<std::vector<const Event*>> result;
  for (const Event& event : response.events()) {
    const bool same =
        !result.empty() && result.back().front()->kv().mod_revision() == event.kv().mod_revision();
    if (!same) result.emplace_back();
    result.back().push_back(&event);
  }
  return result;
}

}  // namespace

class Relay::Impl final : private mqtt::Listener, private store::WatchSink {
 public:
  Impl(store::Store& store, const base::Clock& clock, Mandate& mandate, Options options)
      : store_(store),
        clock_(clock),
        mandate_(mandate),
        options_(std::move(options)),
        translator_(store),
        client_(options_.mqtt, clock, *this) {}

  ~Impl() override {
    {
      const base::MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    if (thread_.joinable()) thread_.join();
  }

  void Start() {
    client_.Start();
    thread_ = std::thread([this] { Run(); });
  }

  RelayStats Stats() const {
    const base::MutexLock lock(mutex_);
    RelayStats stats = stats_;
    stats.revision = acknowledged_rev_;
    stats.bus = client_.Stats();
    return stats;
  }

 private:
  // ---- told by the bus, on its thread ----

  void OnConnected() override {
    const base::MutexLock lock(mutex_);
    connected_ = true;
    changed_.NotifyAll();
  }
  void OnDisconnected(const Status&) override {
    const base::MutexLock lock(mutex_);
    connected_ = false;
    broken_ = true;
    pending_.clear();
    changed_.NotifyAll();
  }
  void OnMessage(mqtt::Message) override {}  // subscribes to nothing
  void OnPublished(uint64_t ticket) override {
    const base::MutexLock lock(mutex_);
    ++stats_.messages;
    acknowledged_ticket_ = ticket;
    AdvanceAcknowledged();
    changed_.NotifyAll();
  }

  // Acknowledgements come in the order of the messages.
  void AdvanceAcknowledged() REQUIRES(mutex_) {
    while (!pending_.empty() && pending_.front().last_ticket <= acknowledged_ticket_) {
      acknowledged_rev_ = pending_.front().rev;
      pending_.pop_front();
    }
    const int64_t now_ms = clock_.MonotonicMs();
    if (acknowledged_rev_ == samples_.back().rev) return;
    if (samples_.size() > 1 && now_ms - samples_[samples_.size() - 2].ms < kSampleMs) {
      samples_.back() = {now_ms, acknowledged_rev_};
    } else {
      samples_.push_back({now_ms, acknowledged_rev_});
    }
  }

  // The last revision that was acknowledged at least kRetellMs ago.
  int64_t SettledRev() REQUIRES(mutex_) {
    const int64_t settled_ms = clock_.MonotonicMs() - kRetellMs;
    while (samples_.size() > 1 && samples_[1].ms <= settled_ms) samples_.pop_front();
    return samples_.front().rev;
  }

  // ---- told by the store's watch, on its thread: one response at a time, then a pause ----

  bool OnResponse(const WatchResponse& response) override {
    if (response.events().empty()) return true;
    const base::MutexLock lock(mutex_);
    response_ = response;
    changed_.NotifyAll();
    return false;
  }
  void OnEnd(const Status& status) override {
    const base::MutexLock lock(mutex_);
    watch_end_ = status;
    changed_.NotifyAll();
  }

  // ---- our own thread ----

  void Run() {
    while (!stopping()) {
      const bool held = mandate_.Held();
      if (held && connected()) {
        const Status end = RelayUntilTrouble();
        if (!end.ok() && !stopping()) {
          Interrupted();
          base::log::Info("relay.interrupted", {{"reason", end.message()}});
          Sleep(kPauseMs);
        }
      } else {
        Sleep(kMandateCheckMs);
      }
    }
    mandate_.GiveUp();
  }

  void Interrupted() {
    const base::MutexLock lock(mutex_);
    ++stats_.interruptions;
  }

  Status RelayUntilTrouble() {
    RETURN_IF_ERROR(ReadCursor());
    Begin();
    Status end;
    {
      WatchCreateRequest request;
      request.set_key(std::string(kDomainBegin));
      request.set_range_end(std::string(kDomainEnd));
      request.set_start_revision(cursor_.rev + 1);
      const auto watch = store_.OpenWatch(request, this);
      base::log::Info("relay.started", {{"after_revision", cursor_.rev}});
      end = Pump(*watch);
    }
    NoteEnd();
    if (end.code() == Code::kOutOfRange) return SkipCompacted();
    // Whoever ends in peace with its broker need not be repeated.
    return end.ok() ? KeepCursor(Keep::kAll) : end;
  }

  void NoteEnd() {
    const base::MutexLock lock(mutex_);
    stats_.relaying = false;
  }

  void Begin() {
    const base::MutexLock lock(mutex_);
    broken_ = !connected_;
    pending_.clear();
    response_.reset();
    watch_end_.reset();
    acknowledged_rev_ = cursor_.rev;
    samples_ = {{clock_.MonotonicMs(), cursor_.rev}};
    stats_.relaying = true;
    ++stats_.runs;
    prev_ = cursor_.rev;
    kept_ms_ = clock_.MonotonicMs();
  }

  // Until somebody else has the mandate (ok), or something breaks.
  Status Pump(store::Watch& watch) {
    while (true) {
      std::optional<WatchResponse> response;
      {
        base::MutexLock lock(mutex_);
        if (!response_ && !watch_end_ && !broken_ && !stopping_) {
          changed_.WaitFor(mutex_, std::chrono::milliseconds(kMandateCheckMs));
        }
        if (stopping_) return base::OkStatus();
        if (broken_) return {Code::kUnavailable, "the broker is gone"};
        if (watch_end_) return *watch_end_;
        response.swap(response_);
      }
      if (response) {
        RETURN_IF_ERROR(PublishAll(*response));
        watch.Resume();
      }
      if (!mandate_.Held()) return base::OkStatus();
      if (clock_.MonotonicMs() - kept_ms_ >= options_.cursor_interval_ms) {
        RETURN_IF_ERROR(KeepCursor(Keep::kSettled));
      }
    }
  }

  Status PublishAll(const WatchResponse& response) {
    for (const auto& changes : ByRevision(response)) {
      const auto events = translator_.Translate(changes);
      RETURN_IF_ERROR(events.status());
      if (events->empty()) continue;
      RETURN_IF_ERROR(PublishRevision(changes.front()->kv().mod_revision(),
                                      response.header().cluster_id(), *events));
    }
    return base::OkStatus();
  }

  Status PublishRevision(int64_t rev, uint64_t cluster, const std::vector<BusEvent>& events) {
    uint64_t ticket = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      mqtt::Message message;
      message.topic = TopicOf(events[i]);
      message.payload = PayloadOf(events[i]);
      message.user_properties = {
          {std::string(kClusterProperty), fmt::format("{:x}", cluster)},
          {std::string(kRevProperty), fmt::format("{}", rev)},
          {std::string(kPrevProperty), fmt::format("{}", prev_)},
          {std::string(kPartProperty), fmt::format("{}/{}", i + 1, events.size())}};
      const auto published = PublishOne(message);
      RETURN_IF_ERROR(published.status());
      ticket = *published;
    }
    prev_ = rev;
    const base::MutexLock lock(mutex_);
    pending_.push_back({rev, ticket});
    AdvanceAcknowledged();
    return base::OkStatus();
  }

  // Waits while the window is full.
  Result<uint64_t> PublishOne(const mqtt::Message& message) {
    while (true) {
      auto ticket = client_.Publish(message);
      if (ticket.status().code() != Code::kResourceExhausted) return ticket;
      base::MutexLock lock(mutex_);
      changed_.WaitFor(mutex_, std::chrono::milliseconds(kMandateCheckMs));
      if (stopping_ || broken_) return Status(Code::kUnavailable, "the broker is gone");
    }
  }

  // ---- the cursor ----

  Status ReadCursor() {
    RangeRequest request;
    request.set_key(std::string(kCursorKey));
    const auto response = Await<RangeResponse>(
        [&](base::Done<RangeResponse> done) { store_.Range(request, std::move(done)); });
    RETURN_IF_ERROR(response.status());
    if (response->kvs().empty()) {
      // A relay's first day: what was before it is not told.
      cursor_ = {response->header().revision(), 0};
      return WriteCursor(cursor_.rev);
    }
    const auto rev = DecodeCursor(response->kvs(0).value());
    if (!rev) return {Code::kDataLoss, "the relay's cursor is malformed"};
    cursor_ = {*rev, response->kvs(0).mod_revision()};
    return base::OkStatus();
  }

  enum class Keep { kSettled, kAll };

  Status KeepCursor(Keep keep) {
    kept_ms_ = clock_.MonotonicMs();
    int64_t rev = 0;
    {
      const base::MutexLock lock(mutex_);
      rev = keep == Keep::kAll ? acknowledged_rev_ : SettledRev();
    }
    if (rev <= cursor_.rev) return base::OkStatus();
    return WriteCursor(rev);
  }

  // Fails if another server has moved the cursor: then that one relays.
  Status WriteCursor(int64_t rev) {
    TxnRequest request;
    Compare* unmoved = request.add_compare();
    unmoved->set_key(std::string(kCursorKey));
    unmoved->set_target(Compare::MOD);
    unmoved->set_mod_revision(cursor_.mod_revision);
    auto* put = request.add_success()->mutable_request_put();
    put->set_key(std::string(kCursorKey));
    put->set_value(EncodeCursor(rev));
    const auto response = Await<TxnResponse>(
        [&](base::Done<TxnResponse> done) { store_.Txn(std::move(request), std::move(done)); });
    RETURN_IF_ERROR(response.status());
    if (!response->succeeded()) return {Code::kAborted, "another server relays"};
    cursor_ = {rev, response->header().revision()};
    const base::MutexLock lock(mutex_);
    stats_.cursor = rev;
    return base::OkStatus();
  }

  Status SkipCompacted() {
    RangeRequest request;
    request.set_key(std::string(kCursorKey));
    const auto response = Await<RangeResponse>(
        [&](base::Done<RangeResponse> done) { store_.Range(request, std::move(done)); });
    RETURN_IF_ERROR(response.status());
    const int64_t now = response->header().revision();
    {
      const base::MutexLock lock(mutex_);
      ++stats_.lost;
    }
    base::log::Error("relay.changes_lost",
                     {{"after_revision", cursor_.rev},
                      {"up_to_revision", now},
                      {"reason", "the store compacted them before a broker was there"}});
    return WriteCursor(now);
  }

  // ---- state shared by the threads ----

  bool stopping() const {
    const base::MutexLock lock(mutex_);
    return stopping_;
  }
  bool connected() const {
    const base::MutexLock lock(mutex_);
    return connected_;
  }
  void Sleep(int64_t ms) {
    base::MutexLock lock(mutex_);
    if (!stopping_) changed_.WaitFor(mutex_, std::chrono::milliseconds(ms));
  }

  struct Sample {
    int64_t ms;
    int64_t rev;  // acknowledged then
  };
  struct Pending {
    int64_t rev;
    uint64_t last_ticket;  // of its messages
  };

  store::Store& store_;
  const base::Clock& clock_;
  Mandate& mandate_;
  const Options options_;

  // Our thread's own.
  Translator translator_;
  Cursor cursor_;
  int64_t prev_ = 0;
  int64_t kept_ms_ = 0;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool connected_ GUARDED_BY(mutex_) = false;
  bool broken_ GUARDED_BY(mutex_) = false;          // the connection went during this run
  std::deque<Pending> pending_ GUARDED_BY(mutex_);  // at most the client's window, in messages
  uint64_t acknowledged_ticket_ GUARDED_BY(mutex_) = 0;
  int64_t acknowledged_rev_ GUARDED_BY(mutex_) = 0;
  std::deque<Sample> samples_ GUARDED_BY(mutex_) = {
      {0, 0}};  // kRetellMs / kSampleMs, and never empty
  RelayStats stats_ GUARDED_BY(mutex_);
  std::optional<WatchResponse> response_ GUARDED_BY(mutex_);
  std::optional<Status> watch_end_ GUARDED_BY(mutex_);

  mqtt::Client client_;
  std::thread thread_;
};

Relay::Relay(store::Store& store, const base::Clock& clock, Mandate& mandate, Options options)
    : impl_(std::make_unique<Impl>(store, clock, mandate, std::move(options))) {}

Relay::~Relay() = default;

void Relay::Start() { impl_->Start(); }

RelayStats Relay::Stats() const { return impl_->Stats(); }

}  // namespace matricula::sync
