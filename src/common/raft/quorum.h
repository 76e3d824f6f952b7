#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "common/raft/membership.h"
#include "common/raft/types.h"

// Majority arithmetic, for simple and joint configurations alike (thesis §4.3): what is decided
// must be decided in both halves. Learners are never asked.
namespace matricula::raft {

enum class Verdict : uint8_t { kPending, kWon, kLost };

// The largest number that a quorum has reached, given what each voter has: for match indexes, what
// is committed; for heartbeat rounds, what is confirmed. A node without a value has 0.
uint64_t Reached(const ConfState& conf, const std::function<uint64_t(NodeId)>& value_of);

// True if the voters for whom `holds` is true form a quorum.
bool IsQuorum(const ConfState& conf, const std::function<bool(NodeId)>& holds);

// The first of `candidates` that it takes for a quorum: whoever adds nothing is left out. Empty if
// all of them together are none.
std::vector<NodeId> FirstQuorum(const ConfState& conf, const std::vector<NodeId>& candidates);

// Won: a quorum has said yes. Lost: enough have said no that none can any more.
Verdict Tally(const ConfState& conf, const std::map<NodeId, bool>& votes);

}  // namespace matricula::raft
