#pragma once

#include <map>
#include <memory>
#include <vector>

#include "test/sim/replica.h"

namespace matricula::sim {

using Replicas = std::map<raft::NodeId, std::unique_ptr<Replica>>;

// Watches over what the protocol promises about elections and logs (thesis figure 3.2), by looking
// into all replicas at once, which no replica can.
class Safety {
 public:
  Safety(World& world, const Replicas& replicas)
      : world_(world), replicas_(replicas), random_(world.random().Fork()) {}

  // Election safety: one leader a term. Leader completeness: it has all that was committed before.
  void OnStanding(const Replica& replica, const raft::Standing& standing);
  // By the rules of the thesis, a leader commits by counting only what is of its own term, and
  // changes the configuration one at a time. What is committed is on the synced disks of a quorum.
  // State machine safety, for the log: what one has committed at an index, nobody has otherwise
  // (entries without a command, too).
  void AfterOutput(const Replica& replica);
  // What a message promises is on the sender's synced disk: its term, its vote, the entries that it
  // acknowledges.
  void OnSend(const Replica& replica, const raft::Message& message);
  // Log matching, for one pair of replicas.
  void CompareLogs();

  uint64_t checks() const { return checks_; }
  uint64_t elections() const { return elections_; }

 private:
  // A replica as it was last looked at.
  struct Seen {
    raft::Index commit;
    raft::Index noted;  // of what is committed and on its disk
    raft::Index persisted;
    raft::ConfState conf;
    raft::Index conf_index;
    raft::Term leads_in;  // 0: does not
    raft::Term durable_term;
  };

  void CheckPersisted(const Replica& replica);
  void CheckCommit(const Replica& replica, const Seen& seen);
  void CheckRulesOfLeader(const Replica& replica, const Seen& seen);
  bool IsKept(const Replica& replica, const raft::Message& message);
  void NoteCommitted(const Replica& replica, raft::Index from, raft::Index to);
  void CheckCompleteness(const Replica& leader, raft::Term term);
  bool IsOnQuorum(const raft::ConfState& conf, raft::Index index, raft::Term term) const;
  void Compare(const Replica& a, const Replica& b);

  World& world_;
  const Replicas& replicas_;
  Random random_;
  std::map<raft::Term, raft::NodeId> leaders_;
  std::map<raft::NodeId, Seen> seen_;
  std::vector<raft::Term> committed_;  // by index; 0: not seen yet
  uint64_t checks_ = 0;
  uint64_t elections_ = 0;
};

}  // namespace matricula::sim
