#include "bench/bus/latency.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/mqtt/client.h"
#include "common/rpc/channel.h"
#include "matricula.grpc.pb.h"

namespace matricula::bench {
namespace {

using base::Code;
using base::Status;

constexpr int64_t kCallTimeoutMs = 10'000;
constexpr int64_t kPatienceMs = 10'000;
constexpr int64_t kPollMs = 10;

int64_t NowNs() { return base::SystemClock().MonotonicNs(); }

void SleepMs(int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Knows of each student when its creation was acknowledged and when it was told.
class Ledger final : public mqtt::Listener {
 public:
  void Acknowledged(const std::string& key, int64_t began_ns) {
    const int64_t now_ns = NowNs();
    const base::MutexLock lock(mutex_);
    report_.write.Add(now_ns - began_ns);
    Meet(key, now_ns, /*told=*/false);
  }

  bool connected() const {
    const base::MutexLock lock(mutex_);
    return connected_;
  }
  uint64_t told() const {
    const base::MutexLock lock(mutex_);
    return told_;
  }
  bool complete() const {
    const base::MutexLock lock(mutex_);
    return half_.empty();
  }
  // What has been told before is not measured.
  void Begin() {
    const base::MutexLock lock(mutex_);
    half_.clear();
    measuring_ = true;
  }
  BusReport Report() const {
    const base::MutexLock lock(mutex_);
    BusReport report = report_;
    report.untold = half_.size();
    return report;
  }

 private:
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
    const int64_t now_ns = NowNs();
    const auto json = nlohmann::json::parse(message.payload, nullptr, false);
    if (!json.is_object() || !json.contains("matricula")) return;
    const base::MutexLock lock(mutex_);
    ++told_;
    if (measuring_) Meet(json["matricula"].get<std::string>(), now_ns, /*told=*/true);
  }

  // The first of the two is remembered, the second one makes the measurement.
  void Meet(const std::string& key, int64_t now_ns, bool told) REQUIRES(mutex_) {
    const auto found = half_.find(key);
    if (found == half_.end()) {
      half_.emplace(key, now_ns);
      return;
    }
    report_.event.Add(told ? now_ns - found->second : 0);
    report_.before += told ? 0 : 1;
    half_.erase(found);
  }

  mutable base::Mutex mutex_;
  bool connected_ GUARDED_BY(mutex_) = false;
  bool measuring_ GUARDED_BY(mutex_) = false;
  uint64_t told_ GUARDED_BY(mutex_) = 0;
  std::unordered_map<std::string, int64_t> half_ GUARDED_BY(mutex_);
  BusReport report_ GUARDED_BY(mutex_);
};

class Writer {
 public:
  Writer(const BusOptions& options, int number)
      : name_(fmt::format("bus{}-{}", options.run, number)) {
    rpc::ChannelOptions channel;
    channel.number = number;
    stub_ = project::PortalAdministrativo::NewStub(rpc::MakeChannel(options.target, channel));
  }

  // The student's key, or why it was not created.
  base::Result<std::string> Write() {
    project::Aluno aluno;
    aluno.set_matricula(fmt::format("{}-{:07}", name_, next_++));
    aluno.set_nome("Estudante de carga");
    grpc::ClientContext context;
    rpc::SetDeadline(context, kCallTimeoutMs);
    project::Status answer;
    const grpc::Status status = stub_->NovoAluno(&context, aluno, &answer);
    if (!status.ok()) return Status(Code::kUnavailable, status.error_message());
    if (answer.status() != 0) return Status(Code::kInternal, answer.msg());
    return aluno.matricula();
  }

 private:
  const std::string name_;
  int64_t next_ = 0;
  std::unique_ptr<project::PortalAdministrativo::Stub> stub_;
};

// The relay's first day begins when it does: write until something is told.
Status WaitForRelay(Writer& writer, const Ledger& ledger) {
  const int64_t deadline_ns = NowNs() + kPatienceMs * 1'000'000;
  while (NowNs() < deadline_ns) {
    if (ledger.connected()) RETURN_IF_ERROR(writer.Write().status());
    SleepMs(kPollMs);
    if (ledger.told() > 0) return base::OkStatus();
  }
  return {Code::kUnavailable, "nothing is told on the bus"};
}

void WriteSteadily(const BusOptions& options, int number, int64_t begin_ns, Writer& writer,
                   Ledger& ledger, std::atomic<int>& failed) {
  const int64_t end_ns = begin_ns + static_cast<int64_t>(options.duration_s * 1e9);
  const int64_t between_ns =
      options.writes_per_second > 0
          ? int64_t{1'000'000'000} * options.writers / options.writes_per_second
          : 0;
  int64_t next_ns = begin_ns + between_ns * number / options.writers;
  while (next_ns < end_ns && NowNs() < end_ns) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(next_ns - NowNs()));
    next_ns += between_ns;
    const int64_t began_ns = NowNs();
    const auto key = writer.Write();
    key.ok() ? ledger.Acknowledged(*key, began_ns) : static_cast<void>(++failed);
  }
}

}  // namespace

base::Result<BusReport> MeasureBus(const BusOptions& options) {
  auto broker = mqtt::ParseBrokerUrl(options.broker);
  if (!broker.ok()) return broker.status();
  Ledger ledger;
  mqtt::ClientOptions bus;
  bus.broker = *broker;
  bus.client_id = "matricula-bus-" + options.run;
  bus.subscriptions = {"portal/admin/#"};
  mqtt::Client client(std::move(bus), base::SystemClock(), ledger);
  client.Start();
  Writer first(options, options.writers);
  RETURN_IF_ERROR(WaitForRelay(first, ledger));
  SleepMs(kPollMs * 10);  // until the last of these is told
  ledger.Begin();

  std::vector<Writer> writers;
  for (int i = 0; i < options.writers; ++i) writers.emplace_back(options, i);
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  const int64_t begin_ns = NowNs();
  for (int i = 0; i < options.writers; ++i) {
    threads.emplace_back(
        [&, i] { WriteSteadily(options, i, begin_ns, writers[i], ledger, failed); });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed > 0) return Status(Code::kUnavailable, fmt::format("{} writes failed", failed.load()));
  for (int64_t waited_ms = 0; waited_ms < kPatienceMs && !ledger.complete(); waited_ms += kPollMs) {
    SleepMs(kPollMs);
  }
  return ledger.Report();
}

}  // namespace matricula::bench
