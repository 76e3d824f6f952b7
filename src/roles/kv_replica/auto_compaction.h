#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/store/replica_store.h"

namespace matricula::roles {

// How much history stays readable. Exactly one is not 0, or both are: all of it.
struct Retention {
  int64_t time_ms = 0;
  int64_t revisions = 0;
  friend bool operator==(const Retention&, const Retention&) = default;
};

// `mode` periodic: a time such as 1h, 90m or 1h30m, a bare number being hours, as etcd has it;
// revision: a number of revisions. 0 of either: everything stays. InvalidArgument: what is wrong.
base::Result<Retention> ParseRetention(std::string_view mode, std::string_view text);

// Decides up to which revision to compact. Told the store's revision now and then, it remembers as
// many of these as it needs to know, to a tenth of the retention, which one is old enough.
class CompactionSchedule {
 public:
  explicit CompactionSchedule(const Retention& retention) : retention_(retention) {}

  // How often Observe() is to be called.
  int64_t interval_ms() const;
  // The revision to compact at now, if there is one.
  std::optional<int64_t> Observe(int64_t now_ms, int64_t revision);

 private:
  std::optional<int64_t> OldEnough(int64_t now_ms, int64_t revision);

  const Retention retention_;
  std::deque<std::pair<int64_t, int64_t>> seen_;  // (when, revision), the oldest first
  int64_t compacted_ = 0;
};

// Compacts a store by a schedule, on a thread of its own, where this member leads.
class AutoCompaction {
 public:
  AutoCompaction(store::ReplicaStore& store, const Retention& retention, const base::Clock& clock);
  ~AutoCompaction();

 private:
  void Run();
  void Compact(int64_t revision);

  store::ReplicaStore& store_;
  const base::Clock& clock_;
  CompactionSchedule schedule_;
  base::Mutex mutex_;
  base::CondVar stop_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace matricula::roles
