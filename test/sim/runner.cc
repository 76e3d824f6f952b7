#include "test/sim/runner.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <utility>

#include "common/base/clock.h"

namespace matricula::sim {
namespace {

constexpr const char* kDone = "done";
constexpr const char* kFailed = "failed";

// One line, whatever is in it.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', '\t');
  return text;
}

void WriteLine(int fd, const std::string& line) {
  const std::string bytes = line + "\n";
  for (size_t written = 0; written < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + written, bytes.size() - written);
    if (n <= 0) std::_Exit(0);  // nobody listens any more
    written += static_cast<size_t>(n);
  }
}

std::string Play(uint64_t seed) {
  Report report = Run(seed, false);
  if (!report.failure && seed % Runner::kRepeatEvery == 0) {
    const Report again = Run(seed, false);
    if (again.trace_hash != report.trace_hash) {
      report.failure = "the same seed did something else the second time";
    }
  }
  if (report.failure) return fmt::format("{} {}", kFailed, OneLine(*report.failure));
  return fmt::format("{} {} {} {} {} {} {}", kDone, report.simulated_s, report.events,
                     report.requests, report.checks, report.faults, report.elections);
}

// A worker's whole life: a seed comes in, a line goes out.
[[noreturn]] void Work(int orders, int results) {
  FILE* in = ::fdopen(orders, "r");
  char line[64];
  while (in != nullptr && std::fgets(line, sizeof(line), in) != nullptr) {
    const std::string answer = Play(std::strtoull(line, nullptr, 10));
    WriteLine(results, answer);
    // After a failure the process is not fit for another run.
    if (answer.starts_with(kFailed)) break;
  }
  std::_Exit(0);
}

}  // namespace

Runner::Runner(Plan plan) : plan_(std::move(plan)), workers_(static_cast<size_t>(plan_.jobs)) {}

Runner::~Runner() { EndAll(); }

void Runner::Start(Worker& worker) {
  int orders[2];
  int results[2];
  if (::pipe(orders) != 0 || ::pipe(results) != 0) {
    return Fail(0, "no pipe to a worker");
  }
  std::fflush(nullptr);
  worker.pid = ::fork();
  if (worker.pid == 0) {
    ::close(orders[1]);
    ::close(results[0]);
    Work(orders[0], results[1]);
  }
  ::close(orders[0]);
  ::close(results[1]);
  worker.orders = orders[1];
  worker.results = results[0];
}

std::optional<uint64_t> Runner::NextSeed() {
  if (kept_begun_ < plan_.kept.size()) return plan_.kept[kept_begun_++];
  if (plan_.seeds && begun_ >= *plan_.seeds) return std::nullopt;
  if (plan_.seconds && ElapsedS() > *plan_.seconds) return std::nullopt;
  if (!plan_.seeds && !plan_.seconds) return std::nullopt;
  return plan_.first + begun_++;
}

double Runner::ElapsedS() const {
  return static_cast<double>(base::SystemClock().MonotonicNs() - started_ns_) / 1e9;
}

bool Runner::Order(Worker& worker) {
  worker.seed = NextSeed();
  if (!worker.seed) return false;
  const std::string line = std::to_string(*worker.seed) + "\n";
  return ::write(worker.orders, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

bool Runner::RunAll() {
  ::signal(SIGPIPE, SIG_IGN);
  started_ns_ = base::SystemClock().MonotonicNs();
  for (Worker& worker : workers_) {
    Start(worker);
    (void)Order(worker);
  }
  while (failure_.empty() && std::any_of(workers_.begin(), workers_.end(),
                                         [](const Worker& it) { return it.seed.has_value(); })) {
    Listen();
  }
  EndAll();
  totals_.real_s = ElapsedS();
  return failure_.empty();
}

void Runner::Listen() {
  std::vector<pollfd> waiting;
  std::vector<Worker*> whose;
  for (Worker& worker : workers_) {
    if (!worker.seed) continue;
    waiting.push_back({worker.results, POLLIN, 0});
    whose.push_back(&worker);
  }
  if (::poll(waiting.data(), waiting.size(), -1) < 0) return;
  for (size_t i = 0; i < waiting.size() && failure_.empty(); ++i) {
    if (waiting[i].revents != 0) Read(*whose[i]);
  }
}

void Runner::Read(Worker& worker) {
  char bytes[4096];
  const ssize_t n = ::read(worker.results, bytes, sizeof(bytes));
  if (n <= 0) return OnDeath(worker);
  worker.buffer.append(bytes, static_cast<size_t>(n));
  const size_t end = worker.buffer.find('\n');
  if (end == std::string::npos) return;
  const std::string line = worker.buffer.substr(0, end);
  worker.buffer.erase(0, end + 1);
  OnLine(worker, line);
}

void Runner::OnLine(Worker& worker, const std::string& line) {
  std::istringstream in(line);
  std::string word;
  in >> word;
  if (word == kFailed) {
    std::string text = line.substr(word.size() + 1);
    std::replace(text.begin(), text.end(), '\t', '\n');
    return Fail(*worker.seed, text);
  }
  Report report;
  in >> report.simulated_s >> report.events >> report.requests >> report.checks >> report.faults >>
      report.elections;
  ++totals_.seeds;
  totals_.simulated_s += report.simulated_s;
  totals_.events += report.events;
  totals_.requests += report.requests;
  totals_.checks += report.checks;
  totals_.faults += report.faults;
  totals_.elections += report.elections;
  totals_.real_s = ElapsedS();
  if (plan_.tell && totals_.real_s - told_s_ > kTellEveryS) {
    told_s_ = totals_.real_s;
    plan_.tell(totals_);
  }
  (void)Order(worker);
}

void Runner::OnDeath(Worker& worker) {
  int status = 0;
  ::waitpid(worker.pid, &status, 0);
  worker.pid = 0;
  Fail(*worker.seed, WIFSIGNALED(status)
                         ? fmt::format("the process ended by signal {}", WTERMSIG(status))
                         : "the process ended before the run did");
}

void Runner::Fail(uint64_t seed, std::string failure) {
  if (!failure_.empty()) return;
  failed_seed_ = seed;
  failure_ = std::move(failure);
}

void Runner::EndAll() {
  for (Worker& worker : workers_) {
    if (worker.orders >= 0) ::close(std::exchange(worker.orders, -1));
    if (worker.results >= 0) ::close(std::exchange(worker.results, -1));
    worker.seed.reset();
    if (worker.pid <= 0) continue;
    ::kill(worker.pid, SIGKILL);
    ::waitpid(worker.pid, nullptr, 0);
    worker.pid = 0;
  }
}

}  // namespace matricula::sim
