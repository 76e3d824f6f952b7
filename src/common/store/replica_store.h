#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "common/base/clock.h"
#include "common/kv/lessor.h"
#include "common/kv/mvcc.h"
#include "common/kv/watch_hub.h"
#include "common/kv/watch_thread.h"
#include "common/rpc/loop.h"
#include "common/store/leader_desk.h"
#include "common/store/local_sequencer.h"
#include "common/store/membership.h"
#include "common/store/raft_sequencer.h"
#include "common/store/read_thread.h"
#include "common/store/state_comparison.h"
#include "common/store/store.h"

namespace matricula::store {

// The store inside this process: everything that etcd's API asks of a replica, on an engine.
// Arguments are checked and reads are answered on the caller's thread; changes go through the
// sequencer, and are answered when they are on disk. Errors are etcd's (kv/errors.h).
// All methods may be called from any thread.
class ReplicaStore final : public Store {
 public:
  // What a member of a cluster needs. The engine has its identity (identity.h) already.
  struct Replication {
    // Of a new cluster; empty if this member joins one or is the only one. Without meaning once
    // there is a log.
    std::vector<uint64_t> founders;
    Membership::Options membership;  // its `self` is filled in
    uint64_t log_margin_entries = 5'000;
    uint64_t max_log_bytes = uint64_t{256} << 20;
    replication::Transport* transport = nullptr;  // outlives the store's Stop()
    LeaderDesk::AskFunction ask;
    // See RaftSequencer::Options.
    std::function<void()> on_tick;
    std::function<void(bool known)> on_leader;
  };

  struct Options {
    const base::Clock* clock = &base::SystemClock();
    // Bytes on disk from which on nothing that adds to them is taken; the NOSPACE alarm follows.
    // 0: no limit.
    uint64_t quota_bytes = 2ull << 30;
    int64_t watch_progress_interval_ms = 600'000;
    // The engine failed. Default: one log line, and the process ends with exit code 74 before it
    // can acknowledge anything more.
    LocalSequencer::FatalHandler on_fatal;
    // Where answers are told and single keys are read, so that the thread through which all changes
    // go has its hands free; nullptr: on that thread.
    std::shared_ptr<rpc::Loop> loop;
    // Absent: one member, without a log; for data that never had one.
    std::optional<Replication> replication;
  };

  // Takes up what the engine holds, or founds a new cluster of one member in it.
  static base::Result<std::unique_ptr<ReplicaStore>> Open(std::unique_ptr<storage::Engine> engine,
                                                          Options options);
  ~ReplicaStore() override;

  // Finishes the changes that wait, ends all watches, and answers everything that comes after with
  // Unavailable. Called by the destructor.
  void Stop();

  // ---- Store ----

  void Range(const etcdserverpb::RangeRequest& request,
             base::Done<etcdserverpb::RangeResponse> done) override;
  void Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) override;
  std::unique_ptr<Watch> OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                   WatchSink* sink) override;
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                  base::Done<etcdserverpb::LeaseGrantResponse> done) override;
  void LeaseKeepAlive(int64_t lease_id,
                      base::Done<etcdserverpb::LeaseKeepAliveResponse> done) override;

  // ---- what the etcd services need besides ----

  void Put(etcdserverpb::PutRequest request, base::Done<etcdserverpb::PutResponse> done);
  void DeleteRange(etcdserverpb::DeleteRangeRequest request,
                   base::Done<etcdserverpb::DeleteRangeResponse> done);
  // `physical`: answers when everything is cleaned up.
  void Compact(const etcdserverpb::CompactionRequest& request,
               base::Done<etcdserverpb::CompactionResponse> done);
  void LeaseRevoke(const etcdserverpb::LeaseRevokeRequest& request,
                   base::Done<etcdserverpb::LeaseRevokeResponse> done);
  // No such lease is an answer too: TTL -1.
  void LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveRequest& request,
                       base::Done<etcdserverpb::LeaseTimeToLiveResponse> done);
  base::Result<etcdserverpb::LeaseLeasesResponse> LeaseLeases() const;
  void Alarm(const etcdserverpb::AlarmRequest& request,
             base::Done<etcdserverpb::AlarmResponse> done);

  // Reads every row: seconds per million, on the caller's thread.
  base::Result<etcdserverpb::HashKVResponse> HashKv(
      const etcdserverpb::HashKVRequest& request) const;

  struct Numbers {
    uint64_t disk_bytes = 0;
    uint64_t memory_bytes = 0;
    uint64_t applied_index = 0;
    uint64_t log_index = 0;  // the last that is known to be agreed on
    uint64_t term = 0;
    bool learner = false;
    uint64_t leader = 0;
    int64_t revision = 0;
    int64_t compacted_revision = -1;
    std::vector<etcdserverpb::AlarmMember> alarms;
  };
  Numbers GetNumbers() const;

  // For metrics: counts since the start, and what is there now.
  struct Stats {
    storage::EngineStats engine;
    SequencerStats sequencer;
    replication::Node::Summary node;  // of a member of a cluster
    base::HistogramSnapshot synced_writes;
    base::HistogramSnapshot buffered_writes;
    base::HistogramSnapshot applies;
  };
  Stats GetStats() const;
  uint64_t quota_bytes() const { return options_.quota_bytes; }

  // A consistent copy of the data in `directory`, which must not exist; writers go on.
  base::Status Checkpoint(const std::string& directory);

  // Gives the space of what has been deleted back to the disk: slow, in the caller's thread; nobody
  // else is stopped.
  base::Status Defragment();

  // The member that leads, 0 if this one knows of none.
  uint64_t leader() const { return group_ ? group_->leader() : identity_.member_id; }
  // FailedPrecondition: this member does not lead, or `target` is no voter.
  void MoveLeader(uint64_t target, base::Done<etcdserverpb::MoveLeaderResponse> done);

  // ---- a cluster's members; nullptr in a store without a log ----

  RaftSequencer* group() { return group_; }
  Membership* membership() { return membership_.get(); }
  LeaderDesk* desk() { return desk_.get(); }
  // This member's state is not that of the others (state_comparison.h): until it is started again,
  // it answers nothing but what helps to find out why.
  bool IsCorrupt() const { return corrupt_; }
  // Whether clients must be sent elsewhere: a learner answers only what is not linearizable.
  bool IsLearner() const { return membership_ && !membership_->IsVoter(identity_.member_id); }
  // Ids and term; the revision is left alone if it is set.
  void FillHeader(etcdserverpb::ResponseHeader& header) const;
  uint64_t cluster_id() const { return identity_.cluster_id; }
  uint64_t member_id() const { return identity_.member_id; }

 private:
  ReplicaStore(std::unique_ptr<storage::Engine> engine, const kv::Identity& identity,
               Options options);
  base::Status OpenMachine();
  base::Status StartSequencer();
  void OpenComparison();
  void OnTick();
  void LookAtAlarms();
  void Read(absl::AnyInvocable<void(base::Status) &&> read, bool serializable, bool large);
  void RangeNow(const etcdserverpb::RangeRequest& request,
                base::Done<etcdserverpb::RangeResponse> done);

  // Runs `task` where answers are told.
  void Tell(absl::AnyInvocable<void() &&> task);
  template <class Response>
  void Propose(kv::Command command, base::Done<Response> done);
  base::Status CheckSpace(const kv::Command& command);
  base::Status CheckRunning() const;

  const Options options_;
  const kv::Identity identity_;
  const std::unique_ptr<storage::Engine> engine_;
  kv::Lessor lessor_;
  std::unique_ptr<kv::ReplicatedMvcc> machine_;
  kv::Mvcc* mvcc_ = nullptr;  // the machine's
  std::unique_ptr<kv::WatchHub> hub_;
  std::unique_ptr<Membership> membership_;
  std::atomic<bool> stopped_{false};
  std::atomic<int64_t> measured_at_ns_{INT64_MIN};
  std::atomic<uint64_t> measured_bytes_{0};
  base::Histogram apply_times_;  // of a member of a cluster
  std::unique_ptr<Sequencer> sequencer_;
  RaftSequencer* group_ = nullptr;  // the sequencer, if it is one
  std::unique_ptr<StateComparison> comparison_;
  std::unique_ptr<LeaderDesk> desk_;
  std::atomic<bool> corrupt_{false};
  std::atomic<bool> open_{false};
  int64_t next_retirement_ns_ = 0;  // of the ticking thread
  std::unique_ptr<ReadThread> large_reads_;
  std::unique_ptr<kv::WatchThread> watch_thread_;
};

}  // namespace matricula::store
