#include <catch2/catch.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/storage/memory_engine.h"
#include "common/store/replica_store.h"
#include "history_check.h"
#include "requests.h"

// The same races as in race_test.cc, with threads, on the real store in memory.
namespace matricula::domain {
namespace {

// The real store behind a line on which some answers of writes get lost: the write may have taken
// effect, or will in a moment, or never does.
class LossyStore final : public store::Store {
 public:
  LossyStore(store::Store& inner, Timer& timer, uint64_t seed)
      : inner_(inner), timer_(timer), random_(seed) {}

  void Range(const etcdserverpb::RangeRequest& request,
             base::Done<etcdserverpb::RangeResponse> done) override {
    inner_.Range(request, std::move(done));
  }
  void Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) override {
    const base::Status lost(base::Code::kOutcomeUnknown, "the answer was lost");
    switch (Draw()) {
      case 0:
        return std::move(done)(base::Status(base::Code::kUnavailable, "no leader"));
      case 1:
        return std::move(done)(lost);
      case 2:
        return inner_.Txn(std::move(request),
                          [lost, done = std::move(done)](auto) mutable { std::move(done)(lost); });
      case 3:
        timer_.After(3, [this, request = std::move(request)] { inner_.Txn(request, [](auto) {}); });
        return std::move(done)(lost);
      default:
        return inner_.Txn(std::move(request), std::move(done));
    }
  }
  std::unique_ptr<store::Watch> OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                          store::WatchSink* sink) override {
    return inner_.OpenWatch(request, sink);
  }
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                  base::Done<etcdserverpb::LeaseGrantResponse> done) override {
    inner_.LeaseGrant(request, std::move(done));
  }
  void LeaseKeepAlive(int64_t lease_id,
                      base::Done<etcdserverpb::LeaseKeepAliveResponse> done) override {
    inner_.LeaseKeepAlive(lease_id, std::move(done));
  }

 private:
  uint64_t Draw() {
    base::MutexLock lock(mutex_);
    return random_() % 40;
  }

  store::Store& inner_;
  Timer& timer_;
  base::Mutex mutex_;
  std::mt19937_64 random_ GUARDED_BY(mutex_);
};

// All that happened in a store since it was empty.
class HistorySink final : public store::WatchSink {
 public:
  bool OnResponse(const etcdserverpb::WatchResponse& response) override {
    base::MutexLock lock(mutex_);
    for (const auto& event : response.events()) kv_.Replay(event);
    changed_.NotifyAll();
    return true;
  }
  void OnEnd(const base::Status&) override {}

  FakeKv WaitUpTo(int64_t revision) {
    base::MutexLock lock(mutex_);
    while (kv_.revision() < revision) changed_.Wait(mutex_);
    return kv_;
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  FakeKv kv_ GUARDED_BY(mutex_);
};

template <class T>
class Waiter {
 public:
  base::Done<T> Take() {
    return [this](base::Result<T> result) {
      base::MutexLock lock(mutex_);
      result_.emplace(std::move(result));
      changed_.NotifyAll();
    };
  }
  base::Result<T> Wait() {
    base::MutexLock lock(mutex_);
    while (!result_) changed_.Wait(mutex_);
    return std::move(*result_);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  std::optional<base::Result<T>> result_ GUARDED_BY(mutex_);
};

class ThreadedDay {
 public:
  explicit ThreadedDay(uint64_t seed) : seed_(seed) {
    replica_ = store::ReplicaStore::Open(storage::NewMemoryEngine(), {}).value();
    for (uint64_t i = 0; i < kServers; ++i) {
      lossy_.push_back(std::make_unique<LossyStore>(*replica_, timer_, seed * 10 + i));
      servers_.push_back(
          std::make_unique<Server>(*lossy_[i], timer_, base::SystemClock(), seed * 10 + i + 1));
    }
  }
  ~ThreadedDay() {
    for (auto& server : servers_) server->transactor.Drain();
    // After the last straggler.
    Waiter<bool> waiter;
    timer_.After(20, [done = waiter.Take()]() mutable { std::move(done)(true); });
    CHECK(waiter.Wait().ok());
  }

  std::vector<std::string> Run() {
    std::vector<std::thread> clients;
    for (uint64_t i = 0; i < kClients; ++i) clients.emplace_back([this, i] { Client(i); });
    for (std::thread& client : clients) client.join();
    Waiter<CheckReport> waiter;
    Check(servers_[0]->transactor, waiter.Take());
    const CheckReport report = *waiter.Wait();
    // Stragglers may still come, but they change nothing.
    etcdserverpb::WatchCreateRequest request;
    request.set_key(std::string(1, '\0'));
    request.set_range_end(std::string(1, '\0'));
    request.set_start_revision(1);
    HistorySink sink;
    const auto watch = replica_->OpenWatch(request, &sink);
    const auto history = sink.WaitUpTo(report.revision);
    base::MutexLock lock(mutex_);
    auto problems = CheckHistory(history, operations_);
    problems.insert(problems.end(), report.violations.begin(), report.violations.end());
    return problems;
  }

 private:
  static constexpr uint64_t kServers = 3;
  static constexpr uint64_t kClients = 6;
  static constexpr int kOperationsEach = 25;

  int64_t Revision() const { return replica_->GetNumbers().revision; }

  void Client(uint64_t number) {
    std::mt19937_64 random(seed_ * 100 + number);
    RequestDraw draw({6, 2, 2, 3}, [&](int64_t least, int64_t most) {
      return std::uniform_int_distribution<int64_t>(least, most)(random);
    });
    for (int i = 0; i < kOperationsEach; ++i) {
      Operation operation;
      operation.request = i < 3 ? draw.First(static_cast<int>(random() % 8)) : draw.Draw(25);
      operation.reads = IsRead(operation.request);
      if (!operation.reads && random() % 2 == 0) {
        operation.request_id = "r" + std::to_string(number) + "-" + std::to_string(i);
      }
      for (int attempt = 0; attempt < 3; ++attempt) {
        Do(*servers_[random() % kServers], operation);
        if (operation.end != Operation::End::kError || operation.request_id.empty()) break;
      }
    }
  }

  void Do(Server& server, Operation& operation) {
    using End = Operation::End;
    operation.called = Revision();
    if (operation.reads) {
      Waiter<std::string> waiter;
      DispatchRead(server, operation.request, waiter.Take());
      const auto text = waiter.Wait();
      operation.end = text.ok() ? End::kOk : End::kError;
      operation.text = text.ok() ? *text : text.status().ToString();
    } else {
      Waiter<project::Status> waiter;
      Dispatch(server, operation.request, operation.request_id, waiter.Take());
      const auto status = waiter.Wait();
      operation.end = !status.ok() ? End::kError : status->status() == 0 ? End::kOk : End::kRefused;
      operation.text = status.ok() ? status->msg() : status.status().ToString();
    }
    operation.answered = Revision();
    base::MutexLock lock(mutex_);
    operations_.push_back(operation);
  }

  const uint64_t seed_;
  ThreadTimer timer_{base::SystemClock()};
  std::unique_ptr<store::ReplicaStore> replica_;
  std::vector<std::unique_ptr<LossyStore>> lossy_;
  std::vector<std::unique_ptr<Server>> servers_;
  base::Mutex mutex_;
  std::vector<Operation> operations_ GUARDED_BY(mutex_);
};

TEST_CASE("races of threads on the real store agree with the sequential model") {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    ThreadedDay day(seed);
    const auto problems = day.Run();
    std::string text;
    for (const std::string& problem : problems) text += problem + "\n";
    INFO("seed " << seed);
    CHECK(text == "");
  }
}

}  // namespace
}  // namespace matricula::domain
