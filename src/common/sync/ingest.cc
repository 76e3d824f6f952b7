#include "common/sync/ingest.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/base/mutex.h"
#include "common/domain/keys.h"
#include "common/sync/await.h"
#include "common/sync/bus_event.h"
#include "common/sync/foreign_event.h"
#include "common/sync/rate_limit.h"
#include "common/sync/relay_keys.h"

namespace matricula::sync {
namespace {

using base::Status;

// Between questions to a store that does not answer.
constexpr int64_t kStorePauseMs = 500;
// How long what waits is still decided when the process stops.
constexpr int64_t kDrainMs = 2'000;
constexpr size_t kLongestTopicLogged = 100;

}  // namespace

class Ingest::Impl final : private mqtt::Listener {
 public:
  Impl(store::Store& store, domain::Domain& domain, const base::Clock& clock, Options options)
      : store_(store),
        domain_(domain),
        clock_(clock),
        options_(std::move(options)),
        limit_(options_.messages_per_second, options_.burst) {}

  ~Impl() override {
    {
      const base::MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    if (thread_.joinable()) thread_.join();
  }

  void Start() {
    thread_ = std::thread([this] { Run(); });
  }

  IngestStats Stats() const {
    const base::MutexLock lock(mutex_);
    IngestStats stats = stats_;
    stats.waiting = waiting_.size();
    if (client_) stats.bus = client_->Stats();
    return stats;
  }

 private:
  // ---- told by the bus, on its thread ----

  void OnConnected() override {}
  void OnDisconnected(const Status&) override {}
  void OnPublished(uint64_t) override {}
  void OnMessage(mqtt::Message message) override {
    const auto& properties = message.user_properties;
    const auto cluster = std::find_if(properties.begin(), properties.end(), [](const auto& item) {
      return item.first == kClusterProperty;
    });
    if (cluster != properties.end() && cluster->second == cluster_) return;  // our own relay's
    const base::MutexLock lock(mutex_);
    if (cluster != properties.end()) {
      Count(&IngestStats::other_cluster, message.topic, "told by another matriculad");
    } else if (message.payload.size() > kMaxPayloadBytes) {
      Count(&IngestStats::malformed, message.topic, "the message is too long");
    } else if (waiting_.size() >= options_.max_waiting) {
      Count(&IngestStats::over_limit, message.topic, "too many messages wait");
    } else {
      waiting_.push_back(std::move(message));
      changed_.NotifyAll();
    }
  }

  // ---- our own thread ----

  void Run() {
    if (!LearnCluster()) return;
    mqtt::ClientOptions options = options_.mqtt;
    options.subscriptions = {"$share/matricula-" + cluster_ + "/portal/#"};
    // After a restart we are the one to whom the broker has dealt what came meanwhile.
    options.resume_at_start = true;
    mqtt::Listener& listener = *this;
    auto client = std::make_unique<mqtt::Client>(std::move(options), clock_, listener);
    client->Start();
    {
      const base::MutexLock lock(mutex_);
      client_ = std::move(client);
    }
    while (WaitForMessages()) Work();
    LeaveBus();
    const int64_t deadline_ms = clock_.MonotonicMs() + kDrainMs;
    while (clock_.MonotonicMs() < deadline_ms && WorkOnOne()) {
    }
    Report();
  }

  void LeaveBus() {
    std::unique_ptr<mqtt::Client> client;  // goes without the mutex, which its last calls need
    const base::MutexLock lock(mutex_);
    client.swap(client_);
  }

  // Asks the store who we are until it answers; false if we are stopped before.
  bool LearnCluster() {
    etcdserverpb::RangeRequest request;
    request.set_key(std::string(domain::kMudancaKey));
    while (true) {
      const auto answer =
          Await<etcdserverpb::RangeResponse>([&](base::Done<etcdserverpb::RangeResponse> done) {
            store_.Range(request, std::move(done));
          });
      if (answer.ok()) {
        cluster_ = fmt::format("{:x}", answer->header().cluster_id());
        return true;
      }
      base::MutexLock lock(mutex_);
      if (!stopping_) changed_.WaitFor(mutex_, std::chrono::milliseconds(kStorePauseMs));
      if (stopping_) return false;
    }
  }

  // False once stopping. Wakes up now and then for the sake of a report that was not due before.
  bool WaitForMessages() {
    base::MutexLock lock(mutex_);
    if (!stopping_ && waiting_.empty()) {
      const int64_t patience_ms = unreported_ > 0 ? kStorePauseMs : options_.report_interval_ms;
      changed_.WaitFor(mutex_, std::chrono::milliseconds(patience_ms));
    }
    return !stopping_;
  }

  void Work() {
    while (!stopping() && WorkOnOne()) ReportIfDue();
    ReportIfDue();
  }

  bool WorkOnOne() {
    std::optional<mqtt::Message> message;
    {
      const base::MutexLock lock(mutex_);
      if (waiting_.empty()) return false;
      message = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Decide(*message);
    return true;
  }

  void Decide(const mqtt::Message& message) {
    const auto event = ParseMessage(message.topic, message.payload);
    if (!event.ok()) {
      const bool topic = event.status().code() == base::Code::kNotFound;
      const base::MutexLock lock(mutex_);
      Count(topic ? &IngestStats::unknown_topic : &IngestStats::malformed, message.topic,
            event.status().message());
      return;
    }
    if (!limit_.Take(clock_.MonotonicMs())) {
      const base::MutexLock lock(mutex_);
      Count(&IngestStats::over_limit, message.topic, "faster than the limit");
      return;
    }
    const Verdict verdict = ApplyForeign(domain_, *event);
    const base::MutexLock lock(mutex_);
    switch (verdict.kind) {
      case Verdict::Kind::kApplied:
        ++stats_.applied;
        break;
      case Verdict::Kind::kUnchanged:
        ++stats_.unchanged;
        break;
      case Verdict::Kind::kRefused:
        Count(&IngestStats::refused, message.topic, verdict.reason);
        break;
      case Verdict::Kind::kFailed:
        Count(&IngestStats::failed, message.topic, verdict.reason);
        break;
    }
  }

  void Count(uint64_t IngestStats::*counter, const std::string& topic, std::string_view reason)
      REQUIRES(mutex_) {
    ++(stats_.*counter);
    const bool room = stats_.reasons.size() < kMaxReasons;
    const std::string name(reason);
    ++stats_.reasons[room || stats_.reasons.contains(name) ? name : "other"];
    last_topic_ = topic.substr(0, kLongestTopicLogged);
    last_reason_ = name;
    ++unreported_;
  }

  void ReportIfDue() {
    const int64_t now_ms = clock_.MonotonicMs();
    if (reported_ms_ != 0 && now_ms - reported_ms_ < options_.report_interval_ms) return;
    if (Report()) reported_ms_ = now_ms;
  }

  // False if there is nothing to say.
  bool Report() {
    const base::MutexLock lock(mutex_);
    const uint64_t count = std::exchange(unreported_, 0);
    if (count == 0) return false;
    base::log::Warning("ingest.dropped", {{"messages", count},
                                          {"refused", stats_.refused},
                                          {"unknown_topic", stats_.unknown_topic},
                                          {"malformed", stats_.malformed},
                                          {"other_cluster", stats_.other_cluster},
                                          {"over_limit", stats_.over_limit},
                                          {"failed", stats_.failed},
                                          {"last_topic", last_topic_},
                                          {"last_reason", last_reason_}});
    return true;
  }

  bool stopping() const {
    const base::MutexLock lock(mutex_);
    return stopping_;
  }

  store::Store& store_;
  domain::Domain& domain_;
  const base::Clock& clock_;
  const Options options_;

  // Our thread's own; the first is set before there is a client that could read it.
  std::string cluster_;
  RateLimit limit_;
  int64_t reported_ms_ = 0;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::deque<mqtt::Message> waiting_ GUARDED_BY(mutex_);
  uint64_t unreported_ GUARDED_BY(mutex_) = 0;
  std::string last_topic_ GUARDED_BY(mutex_);
  std::string last_reason_ GUARDED_BY(mutex_);
  IngestStats stats_ GUARDED_BY(mutex_);
  std::unique_ptr<mqtt::Client> client_ GUARDED_BY(mutex_);

  std::thread thread_;
};

Ingest::Ingest(store::Store& store, domain::Domain& domain, const base::Clock& clock,
               Options options)
    : impl_(std::make_unique<Impl>(store, domain, clock, std::move(options))) {}

Ingest::~Ingest() = default;

void Ingest::Start() { impl_->Start(); }

IngestStats Ingest::Stats() const { return impl_->Stats(); }

}  // namespace matricula::sync
