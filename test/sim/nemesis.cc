#include "test/sim/nemesis.h"

#include <algorithm>
#include <utility>

namespace matricula::sim {

using raft::NodeId;

Nemesis::Nemesis(World& world, const Settings& settings, Cluster& cluster)
    : world_(world), settings_(settings), cluster_(cluster), random_(world.random().Fork()) {}

void Nemesis::Start() {
  active_ = true;
  const Settings::Faults& faults = settings_.faults;
  Plan(faults.crash_s, &Nemesis::Crash);
  Plan(faults.crash_in_write_s, &Nemesis::CrashInWrite);
  Plan(faults.crash_all_s, &Nemesis::CrashAll);
  Plan(faults.pause_s, &Nemesis::Pause);
  Plan(faults.partition_s, &Nemesis::Partition);
  Plan(faults.storm_s, &Nemesis::Storm);
  Plan(faults.read_error_s, &Nemesis::ReadError);
  Plan(faults.full_disk_s, &Nemesis::FullDisk);
  Plan(faults.slow_disk_s, &Nemesis::SlowDisk);
  Plan(faults.damage_s, &Nemesis::Damage);
  Plan(faults.transfer_s, &Nemesis::Transfer);
  Plan(faults.membership_s, &Nemesis::ChangeMembership);
  Plan(faults.compaction_s, &Nemesis::CompactHistory);
  cluster_.SetOccasions({[this](Replica& leader) { OnLeader(leader.id()); },
                         [this](Replica& replica) { CutInstall(replica); }});
}

void Nemesis::Plan(double interval_s, Fault fault) {
  if (interval_s == 0) return;
  const auto delay_ns = static_cast<int64_t>(random_.Exponential(interval_s * kSecond));
  world_.After(delay_ns, [this, interval_s, fault] {
    if (!active_) return;
    ++faults_;
    (this->*fault)();
    Plan(interval_s, fault);
  });
}

void Nemesis::Stop() {
  active_ = false;
  world_.Trace("calm");
  cluster_.network().HealAll();
  Network::Weather weather = settings_.weather;
  weather.loss = 0;
  weather.long_delay = 0;
  weather.late_vote = 0;
  weather.damaged_chunk = 0;
  cluster_.network().SetWeather(weather);
  for (const auto& [id, replica] : cluster_.replicas()) {
    replica->Calm();
    replica->Start();
  }
}

Replica* Nemesis::PickRunning() {
  const std::vector<Replica*> running = cluster_.Running();
  return running.empty() ? nullptr : random_.Pick(running);
}

Replica* Nemesis::PickRunningOrLeader() {
  Replica* leader = cluster_.Leader();
  return leader != nullptr && random_.Chance(0.4) ? leader : PickRunning();
}

void Nemesis::StartLater(Replica& replica, int64_t low_ms, int64_t high_ms) {
  world_.After(Ms(low_ms, high_ms), [&replica] { replica.Start(); });
}

// ---- machines ----

void Nemesis::Crash() {
  Replica* replica = PickRunningOrLeader();
  if (replica == nullptr) return;
  replica->Stop(random_.Chance(0.5) ? Replica::Kill::kProcess : Replica::Kill::kPower);
  StartLater(*replica, 50, random_.Chance(0.3) ? 10'000 : 1'500);
}

void Nemesis::CrashInWrite() {
  Replica* replica = PickRunningOrLeader();
  if (replica == nullptr) return;
  const SimEngine::Last lasts[] = {SimEngine::Last::kLost, SimEngine::Last::kWritten,
                                   SimEngine::Last::kTorn};
  replica->CutPowerSoon(random_.Below(random_.Chance(0.5) ? 3 : 40), lasts[random_.Below(3)]);
}

void Nemesis::CutInstall(Replica& replica) {
  if (!active_ || !random_.Chance(settings_.faults.cut_install / 100)) return;
  ++faults_;
  replica.CutPowerSoon(random_.Below(random_.Chance(0.5) ? 4 : 20), SimEngine::Last::kWritten);
}

void Nemesis::OnLeader(NodeId leader) {
  if (!active_ || !random_.Chance(settings_.faults.coup / 100)) return;
  world_.After(static_cast<int64_t>(random_.Exponential(10.0 * kMs)), [this, leader] {
    if (active_) Coup(leader);
  });
}

// When a term is young, its votes have just been written and its first entries are on their way.
// The leader stays away for a while, and others lose what they had in memory only.
void Nemesis::Coup(NodeId leader) {
  ++faults_;
  for (Replica* replica : cluster_.Running()) {
    const bool fallen = replica->id() == leader;
    if (!fallen && !random_.Chance(0.4)) continue;
    replica->Stop(random_.Chance(0.3) ? Replica::Kill::kProcess : Replica::Kill::kPower);
    StartLater(*replica, 1, fallen ? 4'000 : 100);
  }
}

void Nemesis::CrashAll() {
  for (Replica* replica : cluster_.Present()) {
    replica->Stop(Replica::Kill::kPower);
    StartLater(*replica, 50, 2'000);
  }
}

void Nemesis::Pause() {
  Replica* replica = PickRunningOrLeader();
  if (replica != nullptr) replica->Pause(Ms(50, random_.Chance(0.5) ? 800 : 8'000));
}

// ---- network ----

void Nemesis::Partition() {
  if (cluster_.network().any_cut()) return;
  std::vector<NodeId> all;
  for (Replica* replica : cluster_.Present()) all.push_back(replica->id());
  random_.Shuffle(all);
  Replica* leader = cluster_.Leader();
  if (leader != nullptr && random_.Chance(0.5)) {
    std::swap(all.front(), *std::find(all.begin(), all.end(), leader->id()));
  }
  // Symmetric; or one way only; or with one node between the halves that hears both.
  const bool outward = random_.Chance(0.75);
  const bool inward = !outward || random_.Chance(0.6);
  const bool bridge = random_.Chance(0.2);
  const size_t cut_off = 1 + random_.Below(all.size());
  for (size_t a = 0; a < cut_off; ++a) {
    for (size_t b = cut_off + (bridge ? 1 : 0); b < all.size(); ++b) {
      if (outward) cluster_.network().Cut(all[a], all[b]);
      if (inward) cluster_.network().Cut(all[b], all[a]);
    }
  }
  world_.Trace("partition", cut_off, outward, inward);
  world_.After(Ms(300, random_.Chance(0.3) ? 15'000 : 4'000),
               [this] { cluster_.network().HealAll(); });
}

void Nemesis::Storm() {
  Network::Weather weather = settings_.weather;
  weather.loss = 0.4 * random_.Unit();
  weather.duplication = 0.4 * random_.Unit();
  weather.long_delay = 0.3 * random_.Unit();
  weather.keeps_order = false;
  cluster_.network().SetWeather(weather);
  world_.After(Ms(500, 5'000), [this] {
    if (active_) cluster_.network().SetWeather(settings_.weather);
  });
}

// ---- disks ----

void Nemesis::ReadError() {
  Replica* replica = PickRunningOrLeader();
  if (replica != nullptr) replica->FailReadSoon(random_.Below(100));
}

void Nemesis::FullDisk() {
  Replica* replica = PickRunningOrLeader();
  if (replica == nullptr) return;
  replica->SetFull(true);
  world_.After(Ms(300, 6'000), [replica] { replica->SetFull(false); });
}

void Nemesis::SlowDisk() {
  Replica* replica = PickRunningOrLeader();
  if (replica == nullptr) return;
  replica->SetSlow(static_cast<double>(random_.Between(5, 500)));
  world_.After(Ms(300, 6'000), [replica] { replica->SetSlow(1); });
}

void Nemesis::Damage() {
  if (!cluster_.CanAffordLoss()) return;
  const std::vector<NodeId> members(cluster_.wanted().begin(), cluster_.wanted().end());
  Replica& replica = *cluster_.Find(random_.Pick(members));
  world_.Trace("damage", replica.id().value());
  switch (random_.Below(3)) {
    case 0:
      replica.Wipe();
      return;
    case 1:
      replica.DamageState();
      return;
    default:
      replica.FlipBit();
      // Most damage is found at the next start.
      if (random_.Chance(0.6) && replica.up()) {
        replica.Stop(random_.Chance(0.5) ? Replica::Kill::kProcess : Replica::Kill::kPower);
        StartLater(replica, 50, 1'000);
      }
  }
}

// ---- requests of the operator ----

void Nemesis::Transfer() {
  Replica* leader = cluster_.Leader();
  Replica* target = PickRunning();
  if (leader == nullptr || target == nullptr) return;
  // Sometimes to somebody who will not answer.
  if (random_.Chance(0.2) && target != leader) target->Pause(Ms(100, 3'000));
  leader->TransferLeadership(target->id());
}

void Nemesis::ChangeMembership() {
  constexpr size_t kMostReplicas = 7;
  // A group that shrinks while a disk is already lost could be left without a quorum.
  if (!cluster_.IsHealthy()) return;
  const std::vector<NodeId> members(cluster_.wanted().begin(), cluster_.wanted().end());
  const uint64_t dice = random_.Below(3);
  const bool grow = dice == 0 && members.size() < kMostReplicas;
  const bool shrink = dice == 1 && members.size() > 1;
  if (grow || !shrink) cluster_.AddReplica();
  if (shrink || !grow) cluster_.RemoveReplica(random_.Pick(members));
}

void Nemesis::CompactHistory() {
  Replica* replica = PickRunning();
  if (replica == nullptr) return;
  const int64_t revision = replica->mvcc().revision();
  kv::Command command;
  command.mutable_compaction()->set_revision(
      std::max<int64_t>(revision - random_.Between(0, 200), 1));
  replica->Write(command, [](base::Result<Answered>) {});
}

}  // namespace matricula::sim
