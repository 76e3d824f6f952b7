#include <catch2/catch.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bed.h"
#include "history_check.h"
#include "requests.h"

// Whole little registration days in simulated time: several servers on one store, clients that
// race, answers that are lost, servers that are killed. Everything comes from the seed.
namespace matricula::domain {
namespace {

// What one seed draws.
struct Setting {
  explicit Setting(Scheduler& chance)
      : servers(static_cast<int>(chance.Random(1, 4))),
        clients(static_cast<int>(chance.Random(2, 14))),
        operations(static_cast<int>(chance.Random(20, 140))),
        sizes{static_cast<int>(chance.Random(2, 12)), static_cast<int>(chance.Random(1, 5)),
              static_cast<int>(chance.Random(1, 3)), static_cast<int>(chance.Random(1, 6))},
        admin_percent(static_cast<int>(chance.Random(0, 40))),
        request_id_percent(static_cast<int>(chance.Random(0, 100))),
        kills(chance.Chance(30)),
        burst(chance.Chance(50)) {
    if (!chance.Chance(70)) return;
    faults.unavailable = static_cast<int>(chance.Random(0, 10));
    faults.lost_applied = static_cast<int>(chance.Random(0, 12));
    faults.lost_dropped = static_cast<int>(chance.Random(0, 8));
    faults.lost_late = static_cast<int>(chance.Random(0, 12));
    faults.most_us = chance.Random(60, 20'000);
    faults.late_most_us = chance.Random(2'000, 8'000'000);
  }

  int servers;
  int clients;
  int operations;
  Sizes sizes;
  int admin_percent;
  int request_id_percent;
  bool kills;
  bool burst;
  Faults faults;
};

class Day {
 public:
  explicit Day(uint64_t seed)
      : chance_(seed),
        setting_(chance_),
        draw_(setting_.sizes,
              [this](int64_t least, int64_t most) { return chance_.Random(least, most); }) {
    for (int i = 0; i < setting_.servers; ++i) AddServer();
  }
  ~Day() {
    for (auto& server : servers_) {
      // Its coroutines wait for ever, and it must be there as long as they do.
      if (server->killed) Keep(std::move(server));
    }
  }

  std::vector<std::string> Run() {
    for (int i = 0; i < setting_.clients; ++i) Next();
    if (setting_.kills && setting_.servers > 1) {
      chance_.AfterUs(chance_.Random(1'000, 300'000), [this] { Kill(); });
    }
    chance_.RunUntilIdle();
    Quiet();
    auto problems = CheckHistory(kv_, operations_);
    if (waiting_ > 0) problems.push_back(std::to_string(waiting_) + " were never answered");
    const CheckReport report = Verify();
    for (const std::string& violation : report.violations) problems.push_back(violation);
    if (report.pending_removals > 0) problems.push_back("a removal was left unfinished");
    return problems;
  }

  int operations() const { return static_cast<int>(operations_.size()); }

 private:
  struct Host {
    Host(FakeKv& kv, Scheduler& scheduler, Faults faults, uint64_t id)
        : store(kv, scheduler, faults), server(store, scheduler, scheduler, id) {}
    FakeStore store;
    Server server;
    bool killed = false;
  };

  static void Keep(std::unique_ptr<Host> host) {
    static auto* const graveyard = new std::vector<std::unique_ptr<Host>>;
    graveyard->push_back(std::move(host));
  }

  void AddServer() {
    const auto id = static_cast<uint64_t>(chance_.Random(1, 1'000'000'000));
    servers_.push_back(std::make_unique<Host>(kv_, chance_, setting_.faults, id));
  }

  Host& AnyHost() {
    while (true) {
      Host& host = *servers_[static_cast<size_t>(chance_.Random(0, setting_.servers - 1))];
      if (!host.killed) return host;
    }
  }

  void Kill() {
    Host& host = *servers_[0];
    host.killed = true;
    host.store.Kill();
    // Its clients turn to others; what they asked for last they ask for again.
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (host_of_[i] != &host || operations_[i].end != Operation::End::kNone) continue;
      --waiting_;
      Operation again = operations_[i];
      if (again.request_id.empty() || again.reads) {
        Next();
      } else {
        Start(again, 3);
      }
    }
  }

  // The first operations fill the store.
  Request Draw() {
    const int begun = begun_++;
    if (begun < draw_.first_requests()) return draw_.First(begun);
    return draw_.Draw(setting_.admin_percent);
  }

  // One client's next operation, after a while.
  void Next() {
    const int64_t pause_us = setting_.burst ? chance_.Random(0, 20) : chance_.Random(0, 20'000);
    chance_.AfterUs(pause_us, [this] {
      if (begun_ >= setting_.operations) return;
      Operation operation;
      operation.request = Draw();
      operation.reads = IsRead(operation.request);
      if (!operation.reads && chance_.Chance(setting_.request_id_percent)) {
        operation.request_id = "r" + std::to_string(begun_);
      }
      Start(operation, 3);
      // An impatient client asks twice at once.
      if (!operation.request_id.empty() && chance_.Chance(5)) Start(operation, -1);
    });
  }

  // `retries` -1: nobody waits for it.
  void Start(Operation operation, int retries) {
    const size_t index = operations_.size();
    operation.called = kv_.revision();
    operation.end = Operation::End::kNone;
    operation.answered = Operation().answered;
    operations_.push_back(operation);
    Host& host = AnyHost();
    host_of_.push_back(&host);
    ++waiting_;
    if (operation.reads) {
      DispatchRead(host.server, operation.request, [this, index](base::Result<std::string> text) {
        Finish(index, text.ok() ? Operation::End::kOk : Operation::End::kError,
               text.ok() ? *text : text.status().ToString());
        Next();
      });
    } else {
      Write(host.server, operation, index, retries);
    }
  }

  void Finish(size_t index, Operation::End end, std::string text) {
    Operation& operation = operations_[index];
    if (operation.end != Operation::End::kNone) {
      problems_.push_back("answered twice: " + ToString(operation.request));
    }
    operation.end = end;
    operation.text = std::move(text);
    operation.answered = kv_.revision();
    --waiting_;
  }

  void Write(Server& server, const Operation& operation, size_t index, int retries) {
    Answer done = [this, index, retries, operation](base::Result<project::Status> result) {
      using End = Operation::End;
      if (!result.ok()) {
        Finish(index, End::kError, result.status().ToString());
      } else {
        Finish(index, result->status() == 0 ? End::kOk : End::kRefused, result->msg());
      }
      if (retries < 0) return;
      const bool again = !result.ok() && !operation.request_id.empty() && retries > 0;
      if (again) {
        Start(operation, retries - 1);
      } else {
        Next();
      }
    };
    Dispatch(server, operation.request, operation.request_id, std::move(done));
  }

  // No more faults; what a killed server has left in the middle is finished.
  void Quiet() {
    for (auto& host : servers_) host->store.faults() = Faults();
    AnyHost().server.cadastro.ResumeRemovals([this](base::Result<int> result) {
      if (!result.ok()) problems_.push_back("ResumeRemovals: " + result.status().ToString());
    });
    chance_.RunUntilIdle();
  }

  CheckReport Verify() {
    CheckReport report;
    Check(AnyHost().server.transactor,
          [&](base::Result<CheckReport> result) { report = std::move(*result); });
    chance_.RunUntilIdle();
    for (const std::string& problem : problems_) report.violations.push_back(problem);
    return report;
  }

  Scheduler chance_;
  const Setting setting_;
  RequestDraw draw_;
  FakeKv kv_;
  std::vector<std::unique_ptr<Host>> servers_;
  std::vector<Operation> operations_;
  std::vector<Host*> host_of_;  // by operation
  std::vector<std::string> problems_;
  int begun_ = 0;
  int waiting_ = 0;
};

uint64_t SeedFrom(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_CASE("races of many servers agree with the sequential model") {
  const uint64_t first = SeedFrom("DOMAIN_SEED", 1);
  const uint64_t count = SeedFrom("DOMAIN_SEEDS", 500);
  int operations = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Day day(seed);
    const auto problems = day.Run();
    operations += day.operations();
    if (problems.empty()) continue;
    std::string text = "repeat with DOMAIN_SEED=" + std::to_string(seed) + " DOMAIN_SEEDS=1\n";
    for (const std::string& problem : problems) text += problem + "\n";
    FAIL_CHECK(text);
  }
  WARN("seeds " << first << ".." << first + count - 1 << ", " << operations << " operations");
}

}  // namespace
}  // namespace matricula::domain
