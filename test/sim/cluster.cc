#include "test/sim/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace matricula::sim {
namespace {

using raft::ConfStep;
using raft::NodeId;

constexpr int64_t kOperateEveryNs = 250 * kMs;
// How long somebody who has left goes on running, and disturbing if he can.
constexpr int kRoundsBeforeSwitchingOff = 20;
// How often somebody who is there is said to be gone.
constexpr uint64_t kMessagesPerLie = 200;

}  // namespace

Cluster::Cluster(World& world, const Settings& settings, Truth& truth)
    : world_(world),
      settings_(settings),
      truth_(truth),
      random_(world.random().Fork()),
      network_(world, [this](raft::Message message) { Deliver(std::move(message)); }),
      safety_(world, replicas_) {
  network_.SetWeather(settings.weather);
  observer_.after_output = [this](Replica& replica) { safety_.AfterOutput(replica); };
  observer_.on_send = [this](Replica& replica, const raft::Message& message) {
    safety_.OnSend(replica, message);
  };
  observer_.before_install = [this](Replica& replica) {
    if (occasions_.install) occasions_.install(replica);
  };
  observer_.on_standing = [this](Replica& replica, const raft::Standing& standing) {
    safety_.OnStanding(replica, standing);
    if (standing.role != raft::Role::kLeader) return;
    if (occasions_.leader) occasions_.leader(replica);
    // Sometimes the operator has been waiting for just that.
    const int64_t wait_ns = random_.Between(0, 40) * kMs;
    if (wait_ns < 20 * kMs) world_.After(wait_ns, [this] { Operate(); });
  };
}

void Cluster::Start() {
  raft::ConfState conf;
  for (int i = 1; i <= settings_.replicas; ++i) conf.voters.push_back(NodeId(i));
  truth_.SetFirstConf(conf);
  for (const NodeId id : conf.voters) {
    last_id_ = id.value();
    wanted_.insert(id);
    Add(id, conf);
  }
  OperateAgain();
}

void Cluster::Add(NodeId id, raft::ConfState first_conf) {
  auto replica = std::make_unique<Replica>(world_, settings_, truth_, network_, observer_, id,
                                           std::move(first_conf));
  replicas_.emplace(id, std::move(replica)).first->second->Start();
}

Replica* Cluster::Find(NodeId id) {
  const auto found = replicas_.find(id);
  return found == replicas_.end() ? nullptr : found->second.get();
}

std::vector<Replica*> Cluster::Present() {
  std::vector<Replica*> present;
  for (const auto& [id, replica] : replicas_) {
    if (!replica->retired() && !replica->broken()) present.push_back(replica.get());
  }
  return present;
}

std::vector<Replica*> Cluster::Running() {
  std::vector<Replica*> running;
  for (const auto& [id, replica] : replicas_) {
    if (replica->up()) running.push_back(replica.get());
  }
  return running;
}

Replica* Cluster::Leader() {
  Replica* leader = nullptr;
  for (Replica* replica : Running()) {
    if (!replica->leads()) continue;
    const auto term_of = [](Replica& it) { return it.driver()->core().standing().term; };
    if (leader == nullptr || term_of(*replica) > term_of(*leader)) leader = replica;
  }
  return leader;
}

void Cluster::Deliver(raft::Message message) {
  Replica* to = Find(message.to);
  Replica* from = Find(message.from);
  const bool gone = to == nullptr || !to->up();
  // The truth about who is gone, and now and then a lie.
  if (from != nullptr && from->up() && (gone || network_.sent() % kMessagesPerLie == 0)) {
    from->MissPeer(message.to);
  }
  if (!gone) to->Receive(std::move(message));
}

// ---- the operator ----

NodeId Cluster::AddReplica() {
  const NodeId id(++last_id_);
  wanted_.insert(id);
  world_.Trace("new replica", id.value());
  Add(id, {});
  return id;
}

bool Cluster::IsHealthy() {
  return IsSettled() && std::all_of(wanted_.begin(), wanted_.end(), [this](NodeId id) {
           const Replica* replica = Find(id);
           return !replica->broken() && !replica->damaged();
         });
}

bool Cluster::IsSettled() {
  Replica* leader = Leader();
  if (leader == nullptr) return false;
  const raft::Core& core = leader->driver()->core();
  const raft::ConfState& conf = core.conf();
  return !conf.IsJoint() && conf.learners.empty() && core.conf_index() <= core.commit() &&
         std::set(conf.voters.begin(), conf.voters.end()) == wanted_;
}

void Cluster::OperateAgain() {
  world_.After(kOperateEveryNs, [this] {
    Operate();
    OperateAgain();
  });
}

void Cluster::Operate() {
  ReplaceBroken();
  if (Replica* leader = Leader(); leader != nullptr) {
    BringInLine(*leader);
    const raft::Core& core = leader->driver()->core();
    if (core.conf_index() <= core.commit()) SwitchOffLeavers(core.conf());
  }
  safety_.CompareLogs();
}

// A damaged disk is replaced too, after a while: the operator has read its log.
void Cluster::ReplaceBroken() {
  for (const NodeId id : std::vector(wanted_.begin(), wanted_.end())) {
    Replica* replica = Find(id);
    const bool suspicious = replica->damaged() && random_.Chance(0.02);
    if (!replica->broken() && !suspicious) continue;
    RemoveReplica(id);
    AddReplica();
  }
}

void Cluster::BringInLine(Replica& leader) {
  // Now and then somebody else has the same idea.
  if ((change_under_way_ && !random_.Chance(0.2)) || IsSettled()) return;
  const raft::Core& core = leader.driver()->core();
  if (core.conf().IsJoint() && core.conf().auto_leave) return;
  raft::ConfChange change = NextChange(core.conf());
  if (change.steps.empty() && !core.conf().IsJoint()) return;
  world_.Trace("change", leader.id().value(), change.steps.size());
  change_under_way_ = true;
  leader.ChangeMembers(std::move(change),
                       [this](base::Result<std::any>) { change_under_way_ = false; });
  // Nobody may ever hear of it again.
  world_.After(5 * kSecond, [this] { change_under_way_ = false; });
}

// One step of several at random, or all at once.
raft::ConfChange Cluster::NextChange(const raft::ConfState& conf) {
  raft::ConfChange change;
  if (conf.IsJoint()) return change;  // to leave an explicit joint configuration
  std::vector<ConfStep> steps;
  const std::set<NodeId> voters(conf.voters.begin(), conf.voters.end());
  const std::set<NodeId> learners(conf.learners.begin(), conf.learners.end());
  for (const NodeId id : wanted_) {
    if (voters.contains(id)) continue;
    const bool learn_first = !learners.contains(id) && random_.Chance(0.5);
    steps.push_back({learn_first ? ConfStep::Op::kAddLearner : ConfStep::Op::kAddVoter, id});
  }
  for (const NodeId id : conf.Members()) {
    if (!wanted_.contains(id)) steps.push_back({ConfStep::Op::kRemove, id});
  }
  if (steps.empty()) return change;
  if (random_.Chance(0.5)) {
    random_.Shuffle(steps);
    steps.resize(1);
  }
  const raft::ConfChange::Transition transitions[] = {raft::ConfChange::Transition::kAuto,
                                                      raft::ConfChange::Transition::kJoint,
                                                      raft::ConfChange::Transition::kJointExplicit};
  change.transition = transitions[random_.Below(3)];
  change.steps = std::move(steps);
  return change;
}

void Cluster::SwitchOffLeavers(const raft::ConfState& conf) {
  for (const auto& [id, replica] : replicas_) {
    if (replica->retired() || conf.IsMember(id) || wanted_.contains(id)) {
      rounds_out_[id] = 0;
    } else if (++rounds_out_[id] > kRoundsBeforeSwitchingOff) {
      world_.Trace("switched off", id.value());
      replica->Retire();
    }
  }
}

}  // namespace matricula::sim
