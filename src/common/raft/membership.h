#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/raft/types.h"

// Who belongs to the group, and how that changes (thesis chapter 4). A configuration is in force
// from the moment its entry stands in a node's log, committed or not (§4.1); if the entry is
// truncated away, the one before is in force again.
namespace matricula::raft {

// One configuration. All lists are sorted and without repeats. While `outgoing` is not empty the
// configuration is joint (§4.3): every decision needs a majority of `voters` and one of `outgoing`.
struct ConfState {
  std::vector<NodeId> voters;
  std::vector<NodeId> outgoing;       // the voters before, while joint
  std::vector<NodeId> learners;       // receive the log, decide nothing
  std::vector<NodeId> learners_next;  // outgoing voters that become learners when joint ends
  bool auto_leave = false;            // the leader ends joint by itself once it is committed

  bool IsJoint() const { return !outgoing.empty(); }
  bool IsVoter(NodeId node) const;   // in either half
  bool IsMember(NodeId node) const;  // voter or learner
  std::vector<NodeId> Members() const;
  friend bool operator==(const ConfState&, const ConfState&) = default;
};

struct ConfStep {
  enum class Op : uint8_t { kAddVoter, kAddLearner, kRemove };
  Op op = Op::kAddVoter;
  NodeId node;
};

// What somebody wants changed, all at once. AddVoter promotes a learner; AddLearner demotes a
// voter. A change without steps ends a joint configuration that does not end by itself.
struct ConfChange {
  enum class Transition : uint8_t {
    kAuto,   // one voter more or less: in one step (§4.1); otherwise joint, ending by itself
    kJoint,  // joint in any case, ending by itself
    kJointExplicit,  // joint until a change without steps is proposed
  };
  std::vector<ConfStep> steps;
  Transition transition = Transition::kAuto;
  Payload context;  // the proposer's own (for example addresses); stands in the entry
};

// The payload of an entry of type kConf.
struct ConfEntry {
  ConfState conf;
  Payload context;
  friend bool operator==(const ConfEntry&, const ConfEntry&) = default;
};

// The configuration that `change` makes of `current`. InvalidArgument: a node named twice or 0, a
// removal of a stranger, no voter left. FailedPrecondition: joint does not fit `current`.
base::Result<ConfState> Reconfigure(const ConfState& current, const ConfChange& change);

// Format, little-endian: u8 version = 1; u8 flags (bit 0 auto_leave); then the four lists in the
// order of ConfState, each u32 count and count × u64; then the context up to the end.
Payload EncodeConfEntry(const ConfEntry& entry);
// DataLoss if the bytes are not what EncodeConfEntry writes.
base::Result<ConfEntry> DecodeConfEntry(std::string_view bytes);

// The configurations of one node's log, oldest first: the one in force at the applied index, and
// all that stand in the log after it. More than one is uncommitted only in a follower's eyes.
class ConfHistory {
 public:
  struct Item {
    Index index;  // where it stands in the log
    ConfState conf;
  };

  ConfHistory(Index index, ConfState conf) : items_{{index, std::move(conf)}} {}

  const Item& Latest() const { return items_.back(); }
  // The one in force at `index`, which is not before the last Trim.
  const Item& At(Index index) const;
  // Those still of interest to somebody who knows `commit` to be committed: At(commit) and later.
  std::vector<const ConfState*> Since(Index commit) const;

  void Append(Index index, ConfState conf);
  void TruncateFrom(Index index);  // entries from `index` on have left the log
  void Trim(Index applied);        // nobody will ask for less than `applied`
  void Reset(Index index, ConfState conf);

 private:
  std::vector<Item> items_;  // never empty
};

}  // namespace matricula::raft
