#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/done.h"
#include "common/kv/lessor.h"
#include "common/kv/replicated_mvcc.h"
#include "common/kv/watch_hub.h"
#include "common/replication/driver.h"
#include "common/replication/engine_log_store.h"
#include "common/replication/log_format.h"
#include "test/sim/manners.h"
#include "test/sim/network.h"
#include "test/sim/recording_machine.h"
#include "test/sim/settings.h"
#include "test/sim/sim_engine.h"
#include "test/sim/truth.h"

namespace matricula::sim {

// One machine of the group: a disk that stays, and a process that comes and goes. The process is
// the daemon's own code (driver, log store, store, watches, leases); around it this class plays the
// operating system: it gives time, waits for the disk, delivers messages, kills, and starts again.
class Replica final : public replication::Transport {
 public:
  // What the rest of the run wants to hear of it.
  struct Observer {
    std::function<void(Replica&)> after_output;                        // the process did something
    std::function<void(Replica&, const raft::Standing&)> on_standing;  // role, term or leader
    std::function<void(Replica&, const raft::Message&)> on_send;
    std::function<void(Replica&)> before_install;  // of a snapshot
  };

  // `first_conf` is empty for a replica that joins.
  Replica(World& world, const Settings& settings, Truth& truth, Network& network,
          const Observer& observer, raft::NodeId id, raft::ConfState first_conf);
  ~Replica() override;

  raft::NodeId id() const { return id_; }
  bool up() const { return process_ != nullptr; }
  // Its disk was damaged or wiped: it must never come back, and another one takes its place.
  bool broken() const { return broken_; }
  // Its disk was damaged; perhaps nobody has noticed.
  bool damaged() const { return damaged_; }
  bool leads() const;
  const replication::Driver* driver() const { return up() ? process_->driver.get() : nullptr; }
  replication::Driver* driver() { return up() ? process_->driver.get() : nullptr; }
  const replication::EngineLogStore* log() const { return up() ? process_->log.get() : nullptr; }
  kv::Mvcc& mvcc() { return process_->machine->mvcc(); }
  kv::WatchHub& hub() { return *process_->hub; }
  kv::Lessor& lessor() { return *process_->lessor; }
  RecordingMachine& machine() { return *process_->recorder; }
  raft::Index applied() const;
  // There is something to do that is no input: a new watch.
  void Wake() { Poke(); }
  // Grows with every start.
  uint64_t starts() const { return starts_; }

  // ---- the operator and the faults ----

  enum class Kill : uint8_t { kProcess, kPower };
  void Start();
  void Stop(Kill kill);
  // It has left the group and never comes back.
  void Retire();
  bool retired() const { return retired_; }
  // Does nothing for a while.
  void Pause(int64_t time_ns);
  // The power goes at some write soon.
  void CutPowerSoon(uint64_t writes, SimEngine::Last last);
  void SetFull(bool full);
  void SetSlow(double factor) { slowness_ = factor; }
  void FailReadSoon(uint64_t reads) { log_disk().FailReadAfter(reads); }
  void FlipBit();
  void DamageState();
  void Wipe();
  // No fault any more; what was broken stays broken.
  void Calm();

  // ---- the network ----

  void Send(raft::Message message) override;
  void Receive(raft::Message message);
  // A connection to `peer` could not be made.
  void MissPeer(raft::NodeId peer);

  // ---- clients (replica_calls.cc); Unavailable if the process is down or dies ----

  using WriteDone = base::Done<Answered>;
  void Write(const kv::Command& command, WriteDone done);
  // Linearizable, or of whatever state is here.
  void ReadTxn(const etcdserverpb::TxnRequest& request, bool serializable,
               base::Done<etcdserverpb::TxnResponse> done);
  void ChangeMembers(raft::ConfChange change, base::Done<std::any> done);
  void TransferLeadership(raft::NodeId target);
  base::Result<int64_t> KeepAlive(int64_t lease);

  // What survives, by the durable contents of the disk alone: the description of the log, an entry.
  std::optional<replication::LogDescription> DurableDescription() const;
  bool HoldsDurably(raft::Index index, raft::Term term) const;
  SimEngine& log_disk() const { return *disks_.front(); }
  SimEngine& state_disk() const { return *disks_.back(); }

 private:
  struct Process {
    std::unique_ptr<kv::Lessor> lessor;
    std::unique_ptr<kv::ReplicatedMvcc> machine;
    std::unique_ptr<RecordingMachine> recorder;
    std::unique_ptr<kv::WatchHub> hub;
    std::unique_ptr<replication::EngineLogStore> log;
    std::unique_ptr<Manners> manners;
    std::unique_ptr<replication::Driver> driver;
    bool busy = false;     // waits for the disk
    bool planned = false;  // a turn of the crank is
    bool tick_due = false;
    bool leads = false;
    std::vector<World::Event> inbox;  // what came while it could not listen
  };

  base::Status Open(Process& process);
  void OnOpenFailure(const base::Status& status);
  kv::ReplicatedMvcc::Hooks HooksOf(Process& process);
  void OnStanding(const raft::Standing& standing);

  // Plans an event that happens only if the process still lives then.
  void AfterIfAlive(int64_t delay_ns, World::Event event);
  // Now, or when the process listens again.
  void Input(World::Event event);
  bool listens() const;
  void Tick();
  void Poke();
  void Turn();
  void Finish();
  void AfterWork();
  void PrepareSnapshots();
  void ExpireLeases();
  void DeliverWatches();
  void ExitOnFailure();
  void RestartLater(int64_t mean_ns);

  World& world_;
  const Settings& settings_;
  Truth& truth_;
  Network& network_;
  const Observer& observer_;
  const raft::NodeId id_;
  const raft::ConfState first_conf_;
  Random random_;
  DriftingClock clock_;
  const double tick_rate_;
  std::vector<std::unique_ptr<SimEngine>> disks_;  // one, or log and state
  std::unique_ptr<Process> process_;
  uint64_t starts_ = 0;
  int64_t paused_until_ns_ = 0;
  double slowness_ = 1;
  bool damaged_ = false;
  bool broken_ = false;
  bool retired_ = false;
};

}  // namespace matricula::sim
