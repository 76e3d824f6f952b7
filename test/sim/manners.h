#pragma once

#include <map>
#include <optional>
#include <tuple>

#include "common/raft/core.h"
#include "test/sim/world.h"

namespace matricula::sim {

// Listens to one replica's messages, and holds it to what safety does not need but peace does:
//   it votes, and says it would vote, only for a log at least as complete as its own,
//   and not while it has heard from a leader within the election time-out, or within two heartbeats
//   if that is said to be gone since (but for a transfer);
//   it stops leading when it has not heard from a quorum for twice that time.
// Forgets everything when the replica's process ends, as that does.
class Manners {
 public:
  Manners(World& world, raft::NodeId self, int election_ticks)
      : world_(world), self_(self), election_ticks_(election_ticks) {}

  // `last_term`: of the core's last entry, if that is on disk.
  void BeforeReceive(const raft::Message& message, const raft::Core& core,
                     std::optional<raft::Term> last_term);
  // The replica is told that nobody is at the address of `peer`.
  void BeforeGone(raft::NodeId peer, const raft::Core& core);
  void OnSend(const raft::Message& message);
  void AfterTick(const raft::Core& core);

 private:
  // Who asked, whether for a vote in earnest, and in which term.
  using Request = std::tuple<raft::NodeId, bool, raft::Term>;

  bool HeardFromQuorum(const std::vector<raft::NodeId>& voters) const;

  World& world_;
  const raft::NodeId self_;
  const int election_ticks_;
  int64_t now_tick_ = 0;
  int64_t leader_heard_tick_ = -1'000'000;
  bool leader_gone_ = false;  // since then
  int64_t leading_since_tick_ = 0;
  std::map<raft::NodeId, int64_t> heard_tick_;
  std::map<Request, bool> may_grant_;
};

}  // namespace matricula::sim
