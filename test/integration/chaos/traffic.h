#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "test/integration/chaos/client.h"
#include "test/integration/chaos/journal.h"
#include "test/integration/chaos/judge.h"
#include "test/integration/chaos/watcher.h"

namespace matricula::chaos {

struct TrafficOptions {
  std::vector<std::string> members;  // HOST:PORT of the etcd API; those that are down, too
  std::string directory;             // for the journal, and for what is found wrong
  int clients = 6;                   // that roam, besides two for each member
  int64_t pause_ms = 10;
  uint64_t seed = 1;
};

// How a round went.
struct RoundReport {
  int64_t answered = 0;
  int64_t unknown = 0;
  int64_t linearizable_reads = 0;
  int64_t serializable_reads = 0;
  int64_t writes = 0;
  int64_t changes = 0;
  int64_t told = 0;  // changes that watches told
  int64_t streams = 0;
  std::vector<std::string> findings;  // empty: all is well
};

// Clients and watches of a cluster, in rounds: each begins and ends with nothing under way, and is
// judged before the next one begins.
class Traffic {
 public:
  // How long members and watches may take to know what everybody else knows, once all is well.
  static constexpr int64_t kPatienceMs = 60'000;

  Traffic(TrafficOptions options, const base::Clock& clock);
  ~Traffic();

  void BeginRound();
  // `serving`: the members (from 0) that should be well now.
  RoundReport EndRound(const std::vector<int>& serving) EXCLUDES(mutex_);

  // The longest time without an acknowledged write since the last call, in milliseconds.
  int64_t LongestSilenceMs();

 private:
  std::unique_ptr<Client> MakeClient(Manner manner, int member);
  void AddClient(Manner manner, int member);
  void OnDone(const Operation& operation) EXCLUDES(mutex_);
  void NoteAcknowledged(int64_t now_ns);
  int64_t Mark(const std::vector<int>& serving);
  bool Reached(const Watcher& watcher, int64_t revision) const;
  void JoinAll();
  void AwaitWatchers(const std::vector<int>& serving, int64_t revision, RoundReport& report);
  std::vector<Change> HistoryOf(int member, int64_t revision, RoundReport& report);
  void CompareHistories(const std::vector<int>& serving, Round& round, RoundReport& report);
  grpc::Status HashOf(int member, int64_t revision, etcdserverpb::HashKVResponse& response) const;
  void CompareHashes(const std::vector<int>& serving, int64_t revision, RoundReport& report);
  void CheckJournal(int member, RoundReport& report);
  void Count(const Round& round, RoundReport& report) const;
  void Keep(const Round& round, const RoundReport& report) const;
  void Compact(int member, int64_t revision);

  const TrafficOptions options_;
  const base::Clock& clock_;
  const std::vector<Stubs> members_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::unique_ptr<Client> marker_;
  Journal journal_;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> client_threads_;
  std::vector<std::thread> watcher_threads_;
  int round_ = 0;
  int64_t first_revision_ = 0;
  std::map<std::string, Pair> now_;

  std::atomic<int64_t> last_acknowledged_ns_{0};
  std::atomic<int64_t> longest_silence_ns_{0};

  base::Mutex mutex_;
  std::vector<Operation> operations_ GUARDED_BY(mutex_);
};

}  // namespace matricula::chaos
