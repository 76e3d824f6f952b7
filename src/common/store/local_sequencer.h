#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/histogram.h"
#include "common/base/mutex.h"
#include "common/kv/lessor.h"
#include "common/store/applier.h"
#include "common/store/sequencer.h"

namespace matricula::store {

// The order of a store with one member: that of arrival. One thread takes whatever waits, applies
// it as one group with one disk sync, and completes it; so groups form by themselves from what
// arrives during the last sync. In between it ends leases that are due and cleans up after
// compactions, a step at a time.
class LocalSequencer final : public Sequencer {
 public:
  // Waiting commands, at most; more are refused.
  static constexpr size_t kMaxWaitingCommands = 10'000;
  static constexpr size_t kMaxWaitingBytes = 64u << 20;
  // One group, at most (a single larger command is a group too).
  static constexpr size_t kMaxGroupCommands = 1'000;
  static constexpr size_t kMaxGroupBytes = 4u << 20;

  // The disk failed: nothing more may be acknowledged. Expected not to return.
  using FatalHandler = std::function<void(const base::Status&)>;

  LocalSequencer(kv::Mvcc& mvcc, kv::Lessor& lessor, const base::Clock& clock,
                 FatalHandler on_fatal);
  ~LocalSequencer() override;

  void Propose(kv::Command command, Completion completion) override EXCLUDES(mutex_);
  SequencerStats stats() const override EXCLUDES(mutex_);
  // How long executing a group and writing it took.
  const base::Histogram& apply_times() const { return apply_times_; }

  // Finishes what waits, refuses what comes, and ends the thread.
  void Stop() override EXCLUDES(mutex_);

 private:
  struct Waiting {
    kv::Command command;
    Completion completion;
    size_t bytes = 0;
  };
  using Group = std::vector<Waiting>;

  void Run();
  // Waits for something to do. False: stopped, and nothing is left.
  bool TakeGroup(Group& group) EXCLUDES(mutex_);
  void WaitForWork() REQUIRES(mutex_);
  void AddDueLeases(Group& group);
  void ApplyGroup(Group& group);
  void Complete(Waiting& waiting, kv::Outcome outcome);
  void CleanUp();
  void Fail(const base::Status& status, Group& group);

  kv::Mvcc& mvcc_;
  kv::Lessor& lessor_;
  const base::Clock& clock_;
  const FatalHandler on_fatal_;
  Applier applier_;

  // ---- of the thread ----
  uint64_t next_index_;
  // Compactions that answer when all is cleaned up, with their answers.
  std::vector<std::pair<Completion, kv::Outcome>> awaiting_clean_up_;

  base::Histogram apply_times_;
  base::Counter proposed_;
  base::Counter failed_;

  mutable base::Mutex mutex_;
  base::CondVar work_;
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
  size_t waiting_bytes_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace matricula::store
