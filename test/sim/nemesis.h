#pragma once

#include <functional>

#include "test/sim/cluster.h"
#include "test/sim/settings.h"

namespace matricula::sim {

// Does what a seed's settings have in store for the group, at random times, until it is told to
// stop. It never takes more disks away for good than the group can lose.
class Nemesis {
 public:
  Nemesis(World& world, const Settings& settings, Cluster& cluster);

  void Start();
  // No fault from now on, and what is broken is mended, as far as it can be.
  void Stop();

  uint64_t faults() const { return faults_; }

 private:
  using Fault = void (Nemesis::*)();

  void Plan(double interval_s, Fault fault);
  Replica* PickRunning();
  // Most of the time one that matters most.
  Replica* PickRunningOrLeader();
  int64_t Ms(int64_t low, int64_t high) { return random_.Between(low, high) * kMs; }
  void StartLater(Replica& replica, int64_t low_ms, int64_t high_ms);

  void Crash();
  void CrashInWrite();
  void CrashAll();
  void Pause();
  void Partition();
  void Storm();
  void ReadError();
  void FullDisk();
  void SlowDisk();
  void Damage();
  void Transfer();
  void ChangeMembership();
  void CompactHistory();
  void CutInstall(Replica& replica);
  void OnLeader(raft::NodeId leader);
  void Coup(raft::NodeId leader);

  World& world_;
  const Settings& settings_;
  Cluster& cluster_;
  Random random_;
  bool active_ = false;
  uint64_t faults_ = 0;
};

}  // namespace matricula::sim
