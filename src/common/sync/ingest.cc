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
#include "common/sync/relay_keys.h"

namespace matricula::sync {
namespace {

using base::Result;
using base::Status;
using domain::Answer;

constexpr int64_t kReportIntervalMs = 60'000;
// Between questions to a store that does not answer.
constexpr int64_t kStorePauseMs = 500;

// A bucket of permissions that fills at a steady rate.
class RateLimit {
 public:
  RateLimit(int64_t per_second, int64_t burst)
      : per_second_(per_second), burst_(burst), left_(static_cast<double>(burst)) {}

  bool Take(int64_t now_ms) {
    if (last_ms_ != 0) {
      left_ += static_cast<double>(now_ms - last_ms_) * static_cast<double>(per_second_) / 1000.0;
      left_ = std::min(left_, static_cast<double>(burst_));
    }
    last_ms_ = now_ms;
    if (left_ < 1.0) return false;
    left_ -= 1.0;
    return true;
  }

 private:
  const int64_t per_second_;
  const int64_t burst_;
  double left_;
  int64_t last_ms_ = 0;
};

void Apply(domain::Domain& domain, const AlunoEvent& event, Answer done) {
  auto& cadastro = domain.cadastro();
  switch (event.action) {
    case Action::kCreate:
      return cadastro.NovoAluno(event.record, "", std::move(done));
    case Action::kUpdate:
      return cadastro.EditaAluno(event.record, "", std::move(done));
    case Action::kDelete:
      return cadastro.RemoveAluno(event.record.matricula(), "", std::move(done));
  }
}

void Apply(domain::Domain& domain, const ProfessorEvent& event, Answer done) {
  auto& cadastro = domain.cadastro();
  switch (event.action) {
    case Action::kCreate:
      return cadastro.NovoProfessor(event.record, "", std::move(done));
    case Action::kUpdate:
      return cadastro.EditaProfessor(event.record, "", std::move(done));
    case Action::kDelete:
      return cadastro.RemoveProfessor(event.record.siape(), "", std::move(done));
  }
}

void Apply(domain::Domain& domain, const DisciplinaEvent& event, Answer done) {
  auto& cadastro = domain.cadastro();
  switch (event.action) {
    case Action::kCreate:
      return cadastro.NovaDisciplina(event.record, "", std::move(done));
    case Action::kUpdate:
      return cadastro.EditaDisciplina(event.record, "", std::move(done));
    case Action::kDelete:
      return cadastro.RemoveDisciplina(event.record.sigla(), "", std::move(done));
  }
}

void Apply(domain::Domain& domain, const MatriculaEvent& event, Answer done) {
  if (event.who == MatriculaEvent::Who::kAluno) {
    return event.added ? domain.turmas().AdicionaAluno(event.par, "", std::move(done))
                       : domain.turmas().RemoveAluno(event.par, "", std::move(done));
  }
  return event.added ? domain.docentes().AdicionaProfessor(event.par, "", std::move(done))
                     : domain.docentes().RemoveProfessor(event.par, "", std::move(done));
}

}  // namespace

class Ingest::Impl final : private mqtt::Listener {
 public:
  Impl(store::Store& store, domain::Domain& domain, const base::Clock& clock, Options options)
      : store_(store),
        domain_(domain),
        clock_(clock),
        options_(std::move(options)),
        limit_(options_.messages_per_second, static_cast<int64_t>(options_.max_waiting)) {}

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
    return stats_;
  }

 private:
  static Options WithSubscription(Options options) {
    options.mqtt.subscriptions = {
        fmt::format("$share/matricula-{:x}/portal/#", options.cluster_id)};
    return options;
  }

  void OnConnected() override {}
  void OnDisconnected(const Status&) override {}
  void OnPublished(uint64_t) override {}
  void OnMessage(mqtt::Message message) override {
    if (IsOurRelays(message)) return;
    const base::MutexLock lock(mutex_);
    if (waiting_.size() >= options_.max_waiting || !limit_.Take(clock_.MonotonicMs())) {
      ++stats_.over_limit;
      return;
    }
    waiting_.push_back(std::move(message));
    changed_.NotifyAll();
  }

  bool IsOurRelays(const mqtt::Message& message) const {
    return std::any_of(message.user_properties.begin(), message.user_properties.end(),
                       [&](const auto& property) {
                         return property.first == kClusterProperty && property.second == cluster_;
                       });
  }

  // ---- our own thread ----

  void Run() {
    if (!LearnCluster()) return;
    mqtt::ClientOptions options = options_.mqtt;
    options.subscriptions = {"$share/matricula-" + cluster_ + "/portal/#"};
    mqtt::Listener& listener = *this;
    mqtt::Client client(std::move(options), clock_, listener);
    client.Start();
    while (auto message = Next()) {
      Take(*message);
      Report();
    }
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

  // Nothing once stopping.
  std::optional<mqtt::Message> Next() {
    base::MutexLock lock(mutex_);
    while (!stopping_ && waiting_.empty()) changed_.Wait(mutex_);
    if (stopping_) return std::nullopt;
    mqtt::Message message = std::move(waiting_.front());
    waiting_.pop_front();
    return message;
  }

  void Take(const mqtt::Message& message) {
    const auto event = ParseMessage(message.topic, message.payload);
    if (!event.ok()) {
      Count(&IngestStats::malformed, message.topic, event.status().message());
      return;
    }
    const auto answer = Await<project::Status>([&](Answer done) {
      std::visit([&](const auto& kind) { Apply(domain_, kind, std::move(done)); }, *event);
    });
    if (!answer.ok()) {
      Count(&IngestStats::failed, message.topic, answer.status().message());
    } else if (answer->status() != 0) {
      Count(&IngestStats::refused, message.topic, answer->msg());
    } else {
      const base::MutexLock lock(mutex_);
      ++stats_.applied;
    }
  }

  void Count(uint64_t IngestStats::*counter, const std::string& topic, const std::string& reason) {
    const base::MutexLock lock(mutex_);
    ++(stats_.*counter);
    last_topic_ = topic;
    last_reason_ = reason;
    ++unreported_;
  }

  void Report() {
    const int64_t now_ms = clock_.MonotonicMs();
    uint64_t count = 0;
    {
      const base::MutexLock lock(mutex_);
      const bool due = reported_ms_ == 0 || now_ms - reported_ms_ >= kReportIntervalMs;
      if (unreported_ == 0 || !due) return;
      count = std::exchange(unreported_, 0);
    }
    reported_ms_ = now_ms;
    base::log::Warning(
        "ingest.dropped",
        {{"messages", count}, {"last_topic", last_topic_}, {"last_reason", last_reason_}});
  }

  store::Store& store_;
  domain::Domain& domain_;
  const base::Clock& clock_;
  const Options options_;

  // Our thread's own; the first is set before there is a client that could read it.
  std::string cluster_;
  std::string last_topic_;
  std::string last_reason_;
  int64_t reported_ms_ = 0;

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  RateLimit limit_ GUARDED_BY(mutex_);
  std::deque<mqtt::Message> waiting_ GUARDED_BY(mutex_);
  uint64_t unreported_ GUARDED_BY(mutex_) = 0;
  IngestStats stats_ GUARDED_BY(mutex_);

  std::thread thread_;
};

Ingest::Ingest(store::Store& store, domain::Domain& domain, const base::Clock& clock,
               Options options)
    : impl_(std::make_unique<Impl>(store, domain, clock, std::move(options))) {}

Ingest::~Ingest() = default;

void Ingest::Start() { impl_->Start(); }

IngestStats Ingest::Stats() const { return impl_->Stats(); }

}  // namespace matricula::sync
