#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/histogram.h"
#include "common/kv/lessor.h"
#include "common/kv/replicated_mvcc.h"
#include "common/replication/engine_log_store.h"
#include "common/replication/node.h"
#include "common/store/patience.h"
#include "common/store/sequencer.h"

namespace matricula::store {

// The order of a store with several members: that of their common raft log. Any member takes any
// command; what meets no leader waits for one a while, and what was certainly lost with a leader is
// proposed again. A thread of its own looks after what only time brings about: leases that end
// (decided by the leader alone), waiting calls, connections, introductions.
class RaftSequencer final : public Sequencer {
 public:
  // How long a call waits for a leader; if there has been none for as long already, not at all.
  static constexpr int64_t kPatienceMs = 3'000;
  static constexpr int64_t kTickMs = 50;
  static constexpr int64_t kHandOverMs = 1'000;

  struct Options {
    uint64_t member_id = 0;
    std::vector<uint64_t> founders;  // of a new group; empty on a member that joins one
    uint64_t log_margin_entries = 5'000;
    uint64_t max_log_bytes = uint64_t{256} << 20;
    std::function<void(const base::Status&)> on_fatal;
    // Every few tens of milliseconds, on the sequencer's own thread.
    std::function<void()> on_tick;
    // The configuration as found on disk, before anything of the log is applied.
    std::function<void(const raft::ConfState&)> on_conf;
    // As replication::Node::Options::helper.
    std::function<void(replication::Node::Options::Task)> helper;
    // A leader is known now, or is not any more. On the node's thread; must not block.
    std::function<void(bool known)> on_leader;
  };

  // Opens the log, or makes the data of a store that had none its beginning. All references
  // outlive the sequencer. DataLoss: log and data do not belong together.
  static base::Result<std::unique_ptr<RaftSequencer>> Open(Options options, storage::Engine& engine,
                                                           kv::ReplicatedMvcc& machine,
                                                           kv::Lessor& lessor,
                                                           replication::Transport& transport,
                                                           const base::Clock& clock);
  ~RaftSequencer() override;

  // Begins to take part.
  base::Status Start();

  void Propose(kv::Command command, Completion completion) override;
  SequencerStats stats() const override;
  // Hands leadership over first, if there is anybody to take it.
  void Stop() override;
  // This member was removed: nobody waits for a leader any more, now and from now on.
  void Retire();

  // Done when this member has applied whatever was acknowledged anywhere before the call. On the
  // node's thread, or its helper's; must not hold either up.
  using Barrier = absl::AnyInvocable<void(base::Status) &&>;
  void AwaitCurrent(Barrier done);

  // For the state machine's hook of that name: answers who waits for a compaction's end.
  void OnClean();

  uint64_t leader() const { return leader_.load(std::memory_order_acquire); }
  uint64_t term() const { return term_.load(std::memory_order_acquire); }
  // The term in which this member leads; 0: it does not.
  uint64_t leading_term() const { return leading_term_.load(std::memory_order_acquire); }
  bool leads() const { return leading_term() != 0; }
  // No leader has been known for longer than anybody should wait for one.
  bool Leaderless() const;
  // When a call that begins now gives up.
  int64_t DeadlineNs() const;
  Patience& patience() { return patience_; }
  replication::Node& node() { return *node_; }

 private:
  struct Call;

  RaftSequencer(Options options, kv::ReplicatedMvcc& machine, kv::Lessor& lessor,
                replication::Transport& transport, const base::Clock& clock);
  base::Status OpenLog(storage::Engine& engine);
  replication::Node::Options NodeOptions();

  void Submit(std::shared_ptr<Call> call);
  void Settle(const std::shared_ptr<Call>& call, base::Result<std::any> result);
  void Read(std::shared_ptr<Barrier> done, int64_t deadline_ns);
  void OnStanding(const raft::Standing& standing);
  base::Status LostStatus() const;

  void Run();
  void EndDueLeases();

  const Options options_;
  kv::ReplicatedMvcc& machine_;
  kv::Lessor& lessor_;
  const base::Clock& clock_;
  replication::Transport& transport_;
  std::unique_ptr<replication::EngineLogStore> log_;
  std::atomic<uint64_t> leader_{0};
  std::atomic<uint64_t> term_{0};
  std::atomic<uint64_t> leading_term_{0};
  std::atomic<int64_t> leaderless_since_ns_;
  raft::Role role_ = raft::Role::kFollower;  // of the node's thread
  base::Counter proposed_;
  base::Counter failed_;
  base::Counter leader_changes_;
  base::Counter elections_;
  Patience patience_;

  // Compactions that answer when all is cleaned up. Of the node's thread.
  std::vector<std::pair<Completion, kv::Outcome>> awaiting_clean_up_;

  base::Mutex mutex_;
  base::CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool poked_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> retired_{false};
  std::unique_ptr<replication::Node> node_;
  std::thread thread_;
};

}  // namespace matricula::store
