#include "common/raft/quorum.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "common/base/ensure.h"
#include "common/raft/mutant.h"

namespace matricula::raft {
namespace {

size_t Majority(size_t voters) { return voters / 2 + 1; }

// The (n/2+1)-th largest value: that many voters have it or more.
uint64_t ReachedByHalf(const std::vector<NodeId>& voters, const std::vector<NodeId>& learners,
                       const std::function<uint64_t(NodeId)>& value_of) {
  std::vector<uint64_t> values;
  values.reserve(voters.size());
  for (const NodeId voter : voters) values.push_back(value_of(voter));
  if (MutantIs(5) || MutantIs(6)) {
    for (const NodeId learner : learners) values.push_back(value_of(learner));
  }
  const auto middle = values.begin() + static_cast<ptrdiff_t>(Majority(voters.size()) - 1);
  std::nth_element(values.begin(), middle, values.end(), std::greater<>());
  return *middle;
}

Verdict TallyHalf(const std::vector<NodeId>& voters, const std::map<NodeId, bool>& votes) {
  size_t yes = 0;
  size_t no = 0;
  for (const NodeId voter : voters) {
    const auto vote = votes.find(voter);
    if (vote == votes.end()) continue;
    ++(vote->second ? yes : no);
  }
  if (yes >= Majority(voters.size())) return Verdict::kWon;
  return no > voters.size() - Majority(voters.size()) ? Verdict::kLost : Verdict::kPending;
}

bool Contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

bool IsMajority(const std::vector<NodeId>& voters, const std::vector<NodeId>& nodes) {
  const auto have = std::count_if(voters.begin(), voters.end(),
                                  [&](NodeId voter) { return Contains(nodes, voter); });
  return static_cast<size_t>(have) >= Majority(voters.size());
}

bool AsksOutgoing(const ConfState& conf) { return conf.IsJoint() && !MutantIs(17); }

}  // namespace

uint64_t Reached(const ConfState& conf, const std::function<uint64_t(NodeId)>& value_of) {
  ENSURE(!conf.voters.empty(), "a group without voters decides nothing");
  const uint64_t incoming = ReachedByHalf(conf.voters, conf.learners, value_of);
  if (!AsksOutgoing(conf)) return incoming;
  return std::min(incoming, ReachedByHalf(conf.outgoing, conf.learners, value_of));
}

bool IsQuorum(const ConfState& conf, const std::function<bool(NodeId)>& holds) {
  return Reached(conf, [&](NodeId node) { return holds(node) ? 1 : 0; }) == 1;
}

std::vector<NodeId> FirstQuorum(const ConfState& conf, const std::vector<NodeId>& candidates) {
  std::vector<NodeId> chosen;
  const auto is_needed = [&](const std::vector<NodeId>& voters, NodeId node) {
    return Contains(voters, node) && !IsMajority(voters, chosen);
  };
  for (const NodeId node : candidates) {
    if (is_needed(conf.voters, node) || (AsksOutgoing(conf) && is_needed(conf.outgoing, node))) {
      chosen.push_back(node);
    }
  }
  if (!IsQuorum(conf, [&](NodeId node) { return Contains(chosen, node); })) chosen.clear();
  return chosen;
}

Verdict Tally(const ConfState& conf, const std::map<NodeId, bool>& votes) {
  ENSURE(!conf.voters.empty(), "a group without voters elects nobody");
  const Verdict incoming = TallyHalf(conf.voters, votes);
  if (!AsksOutgoing(conf)) return incoming;
  const Verdict outgoing = TallyHalf(conf.outgoing, votes);
  if (incoming == Verdict::kLost || outgoing == Verdict::kLost) return Verdict::kLost;
  return incoming == outgoing ? incoming : Verdict::kPending;
}

}  // namespace matricula::raft
