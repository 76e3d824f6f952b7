#pragma once

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "test/sim/network.h"
#include "test/sim/replica.h"
#include "test/sim/safety.h"
#include "test/sim/settings.h"

namespace matricula::sim {

// All replicas, the network between them, and an operator who brings the membership to where it is
// wanted: he starts newcomers, asks the leader for changes until they are in force, replaces what
// is broken, and switches off what has left.
class Cluster {
 public:
  Cluster(World& world, const Settings& settings, Truth& truth);

  void Start();

  Network& network() { return network_; }
  Safety& safety() { return safety_; }
  const Replicas& replicas() const { return replicas_; }
  Replica* Find(raft::NodeId id);
  // Those that have not left for good, in the order of their ids.
  std::vector<Replica*> Present();
  std::vector<Replica*> Running();
  // The one that leads in the latest term; null: nobody.
  Replica* Leader();

  // Moments that faults wait for; both are in the middle of a replica's work.
  struct Occasions {
    std::function<void(Replica&)> leader;   // has just been elected
    std::function<void(Replica&)> install;  // is about to replace its state by a snapshot
  };
  void SetOccasions(Occasions occasions) { occasions_ = std::move(occasions); }

  // ---- membership ----

  // Whom the operator wants as voters; learners on the way there are his business.
  const std::set<raft::NodeId>& wanted() const { return wanted_; }
  raft::NodeId AddReplica();
  void RemoveReplica(raft::NodeId id) { wanted_.erase(id); }
  // Everybody who is wanted is there, a voter, and nothing is under way.
  bool IsSettled();
  // Moreover, nobody is broken or damaged.
  bool IsHealthy();
  // And it still is a group after the loss of a member for good.
  bool CanAffordLoss() { return wanted_.size() >= 3 && IsHealthy(); }

 private:
  void Add(raft::NodeId id, raft::ConfState first_conf);
  void Deliver(raft::Message message);
  void OperateAgain();
  void Operate();
  void ReplaceBroken();
  void BringInLine(Replica& leader);
  raft::ConfChange NextChange(const raft::ConfState& conf);
  void SwitchOffLeavers(const raft::ConfState& conf);

  World& world_;
  const Settings& settings_;
  Truth& truth_;
  Random random_;
  Network network_;
  Replicas replicas_;
  Safety safety_;
  Replica::Observer observer_;
  Occasions occasions_;
  std::set<raft::NodeId> wanted_;
  std::map<raft::NodeId, int> rounds_out_;  // since when somebody is no member
  uint64_t last_id_ = 0;
  bool change_under_way_ = false;
};

}  // namespace matricula::sim
