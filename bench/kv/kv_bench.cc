// What an enrollment costs the store itself: batches of 60 in one transaction, random students,
// among a given number of keys. No network, no threads; with and without the disk's sync.
//
//   kv_bench DIRECTORY [keys] [batches]
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/kv/mvcc.h"
#include "common/storage/rocksdb_engine.h"

namespace matricula {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::TxnRequest;

constexpr int kSeatsPerBatch = 60;
constexpr int kClasses = 2500;
constexpr int kStudentsPerLoad = 120;

// Time since it was made: on the wall, and of this thread's processor, which a busy machine does
// not distort.
class Stopwatch {
 public:
  std::string Per(double times) const {
    const double wall_us = static_cast<double>(base::SystemClock().MonotonicNs() - wall_ns_) / 1e3;
    return fmt::format("{:10.2f} us  (processor {:10.2f} us)", wall_us / times,
                       (ProcessorUs() - processor_us_) / times);
  }

 private:
  static double ProcessorUs() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  }

  int64_t wall_ns_ = base::SystemClock().MonotonicNs();
  double processor_us_ = ProcessorUs();
};

class Bench {
 public:
  Bench(kv::Mvcc& mvcc, int students) : mvcc_(mvcc), students_(students) {}

  void Load() {
    for (int first = 0; first < students_; first += kStudentsPerLoad) {
      TxnRequest txn;
      for (int i = first; i < std::min(first + kStudentsPerLoad, students_); ++i) {
        Put(txn, StudentKey(i), fmt::format(R"({{"matricula":"{}","nome":"Aluno {}"}})", i, i));
      }
      const kv::Command command = Command(std::move(txn));
      Apply(std::span(&command, 1), storage::Durability::kBuffered);
    }
  }

  // Time per enrollment.
  std::string Enroll(int batches, int batches_per_group, storage::Durability durability) {
    std::vector<kv::Command> commands;
    for (int i = 0; i < batches; ++i) commands.push_back(EnrollmentBatch());
    const Stopwatch watch;
    for (int i = 0; i < batches; i += batches_per_group) {
      const size_t size = std::min<size_t>(batches_per_group, commands.size() - i);
      Apply(std::span(commands).subspan(i, size), durability);
    }
    return watch.Per(1.0 * batches * kSeatsPerBatch);
  }

  std::string Get(int times) {
    const Stopwatch watch;
    for (int i = 0; i < times; ++i) {
      etcdserverpb::RangeRequest request;
      request.set_key(StudentKey(static_cast<int>(random_() % students_)));
      const auto response = mvcc_.Range(request);
      if (!response.ok() || response->kvs_size() != 1) std::abort();
    }
    return watch.Per(times);
  }

  std::string List(bool count) {
    etcdserverpb::RangeRequest request;
    request.set_key("aluno/");
    request.set_range_end("aluno0");
    request.set_limit(1000);
    request.set_skip_count(!count);
    const Stopwatch watch;
    const auto response = mvcc_.Range(request);
    if (!response.ok() || !response->more()) std::abort();
    return watch.Per(1);
  }

 private:
  std::string StudentKey(int number) const { return fmt::format("aluno/{:08}BSI", number); }

  static void Put(TxnRequest& txn, const std::string& key, const std::string& value) {
    auto& put = *txn.add_success()->mutable_request_put();
    put.set_key(key);
    put.set_value(value);
  }

  static void CompareVersion(TxnRequest& txn, const std::string& key, bool exists) {
    Compare& compare = *txn.add_compare();
    compare.set_key(key);
    compare.set_target(Compare::VERSION);
    compare.set_result(exists ? Compare::GREATER : Compare::EQUAL);
    compare.set_version(0);
  }

  static kv::Command Command(TxnRequest txn) {
    kv::Command command;
    command.mutable_txn()->Swap(&txn);
    return command;
  }

  kv::Command EnrollmentBatch() {
    const std::string sigla = fmt::format("GSI{:04}", random_() % kClasses);
    TxnRequest txn;
    CompareVersion(txn, "turma/" + sigla, false);  // never there: the first batch may create it
    txn.mutable_compare(0)->set_result(Compare::NOT_EQUAL);
    txn.mutable_compare(0)->set_version(-1);
    for (int i = 0; i < kSeatsPerBatch; ++i) {
      const int student = static_cast<int>(random_() % students_);
      const std::string id = fmt::format("{:08}BSI", student);
      const std::string key = fmt::format("matricula/{}/{}-{}", sigla, id, unique_++);
      CompareVersion(txn, StudentKey(student), true);
      CompareVersion(txn, key, false);
      Put(txn, key,
          fmt::format(R"({{"disciplina":"{}","idPessoa":"{}","em":"2026-01-31T12:00:00.000Z"}})",
                      sigla, id));
      Put(txn, fmt::format("aluno-turma/{}/{}-{}", id, sigla, unique_), "{}");
    }
    Put(txn, "turma/" + sigla, R"({"professor":"1524","ocupadas":60})");
    Put(txn, "mudanca", "{}");
    return Command(std::move(txn));
  }

  void Apply(std::span<const kv::Command> commands, storage::Durability durability) {
    std::vector<kv::LogCommand> entries;
    for (const auto& command : commands) entries.push_back({++index_, &command});
    const auto outcomes = mvcc_.Apply(entries, durability);
    if (!outcomes.ok()) std::abort();
    for (const auto& outcome : *outcomes) {
      const auto* txn = std::get_if<etcdserverpb::TxnResponse>(&outcome.response);
      if (txn == nullptr || !txn->succeeded()) std::abort();
    }
  }

  kv::Mvcc& mvcc_;
  const int students_;
  uint64_t index_ = mvcc_.applied_index();
  uint64_t unique_ = index_ * 1000;
  std::mt19937_64 random_{1};
};

void Print(const char* what, const std::string& time) { fmt::print("{:36} {}\n", what, time); }

int Run(const std::string& directory, int keys, int batches) {
  const Stopwatch opening;
  auto engine = storage::OpenRocksDbEngine(directory);
  if (!engine.ok()) {
    std::fprintf(stderr, "%s\n", engine.status().ToString().c_str());
    return 1;
  }
  auto mvcc = kv::Mvcc::Open(**engine);
  if (!mvcc.ok()) return 1;
  Bench bench(**mvcc, keys);
  if ((*mvcc)->revision() > 1) bench.Get(1);
  Print("open and first answer", opening.Per(1));
  if ((*mvcc)->revision() == 1) {
    const Stopwatch loading;
    bench.Load();
    Print("load, per key", loading.Per(keys));
  }
  using storage::Durability;
  Print("enroll, group of 1 batch, buffered", bench.Enroll(batches, 1, Durability::kBuffered));
  Print("enroll, group of 8 batches, buffered", bench.Enroll(batches, 8, Durability::kBuffered));
  Print("enroll, group of 1 batch, synced", bench.Enroll(batches, 1, Durability::kSynced));
  Print("enroll, group of 8 batches, synced", bench.Enroll(batches, 8, Durability::kSynced));
  Print("get of a random key", bench.Get(100'000));
  Print("page of 1000, not counted", bench.List(false));
  Print("page of 1000, counted", bench.List(true));
  const auto stats = (*engine)->Stats();
  fmt::print("disk {} MiB, memory {} MiB\n", stats.disk_bytes >> 20, stats.memory_bytes >> 20);
  return 0;
}

}  // namespace
}  // namespace matricula

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: kv_bench DIRECTORY [keys] [batches]\n");
    return 2;
  }
  const int keys = argc > 2 ? std::atoi(argv[2]) : 1'000'000;
  const int batches = argc > 3 ? std::atoi(argv[3]) : 2'000;
  return matricula::Run(argv[1], keys, batches);
}
