#include "common/raft/quorum.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "common/raft/random.h"
#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {
namespace {

// By definition: try every number that somebody has, the largest first, and count in both halves.
uint64_t SlowlyReached(const ConfState& conf, const std::map<NodeId, uint64_t>& values) {
  const auto value = [&](NodeId node) {
    const auto found = values.find(node);
    return found == values.end() ? 0 : found->second;
  };
  const auto reached_by = [&](const std::vector<NodeId>& voters, uint64_t number) {
    size_t count = 0;
    for (const NodeId voter : voters) count += value(voter) >= number ? 1 : 0;
    return voters.empty() || 2 * count > voters.size();
  };
  uint64_t best = 0;
  for (const auto& [node, number] : values) {
    if (reached_by(conf.voters, number) && reached_by(conf.outgoing, number)) {
      best = std::max(best, number);
    }
  }
  return best;
}

// By definition: won if the yes votes do; lost if they would not even if all who are silent said
// yes.
Verdict SlowTally(const ConfState& conf, const std::map<NodeId, bool>& votes) {
  const auto wins = [&](bool silent) {
    for (const auto* half : {&conf.voters, &conf.outgoing}) {
      size_t yes = 0;
      for (const NodeId voter : *half) {
        const auto vote = votes.find(voter);
        yes += (vote == votes.end() ? silent : vote->second) ? 1 : 0;
      }
      if (!half->empty() && 2 * yes <= half->size()) return false;
    }
    return true;
  };
  if (wins(false)) return Verdict::kWon;
  return wins(true) ? Verdict::kPending : Verdict::kLost;
}

ConfState RandomConf(Random& random) {
  ConfState conf;
  for (uint64_t id = 1; id <= 9; ++id) {
    if (random.Below(2) == 0) conf.voters.emplace_back(id);
    if (random.Below(2) == 0) conf.outgoing.emplace_back(id);
    if (random.Below(4) == 0) conf.learners.emplace_back(id + 10);
  }
  if (conf.voters.empty()) conf.voters.emplace_back(1);
  if (random.Below(2) == 0) conf.outgoing.clear();
  return conf;
}

}  // namespace

TEST_CASE("what a quorum has reached, against the definition") {
  Random random(7);
  for (int round = 0; round < 20'000; ++round) {
    const ConfState conf = RandomConf(random);
    std::map<NodeId, uint64_t> values;
    for (uint64_t id = 1; id <= 19; ++id) {
      if (random.Below(5) != 0) values[NodeId(id)] = random.Below(6);
    }
    const uint64_t reached =
        Reached(conf, [&](NodeId node) { return values.count(node) == 0 ? 0 : values[node]; });
    if (reached != SlowlyReached(conf, values)) FAIL(Describe(conf) << " in round " << round);
  }
}

TEST_CASE("who has won an election, against the definition") {
  Random random(8);
  int seen[3] = {};
  for (int round = 0; round < 20'000; ++round) {
    const ConfState conf = RandomConf(random);
    std::map<NodeId, bool> votes;
    for (uint64_t id = 1; id <= 19; ++id) {
      if (random.Below(3) != 0) votes[NodeId(id)] = random.Below(3) != 0;
    }
    const Verdict verdict = Tally(conf, votes);
    if (verdict != SlowTally(conf, votes)) FAIL(Describe(conf) << " in round " << round);
    ++seen[static_cast<int>(verdict)];
  }
  for (const int times : seen) CHECK(times > 1000);
}

TEST_CASE("the first quorum: those in the order given that each are needed for it") {
  const auto numbers = [](const ConfState& conf, const std::vector<uint64_t>& candidates) {
    std::vector<uint64_t> chosen;
    for (const NodeId id : FirstQuorum(conf, Conf(candidates).voters)) chosen.push_back(id.value());
    return chosen;
  };
  using Ids = std::vector<uint64_t>;
  CHECK(numbers(Conf({1, 2, 3}), {3, 1, 2}) == Ids{3, 1});
  CHECK(numbers(Conf({1, 2, 3}), {3}).empty());
  CHECK(numbers(Conf({1, 2, 3}, {4}), {4, 2, 4, 1}) == Ids{2, 1});
  CHECK(numbers(Conf({1}, {2}), {1, 2}) == Ids{1});
  ConfState joint = Conf({1, 4, 5});
  joint.outgoing = Conf({1, 2, 3}).voters;
  CHECK(numbers(joint, {1, 2, 3, 4, 5}) == Ids{1, 2, 4});
  CHECK(numbers(joint, {1, 2, 3}).empty());

  Random random(10);
  int quorums = 0;
  for (int round = 0; round < 20'000; ++round) {
    const ConfState conf = RandomConf(random);
    std::vector<NodeId> candidates;
    for (uint64_t id = 1; id <= 19; ++id) {
      if (random.Below(3) != 0) candidates.emplace_back(id);
    }
    for (size_t i = candidates.size(); i > 1; --i) {
      std::swap(candidates[i - 1], candidates[random.Below(i)]);
    }
    const auto is_quorum = [&](const std::vector<NodeId>& nodes) {
      return IsQuorum(conf, [&](NodeId node) {
        return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
      });
    };
    std::vector<NodeId> chosen = FirstQuorum(conf, candidates);
    INFO(Describe(conf) << " in round " << round);
    REQUIRE(chosen.empty() != is_quorum(candidates));
    if (chosen.empty()) continue;
    ++quorums;
    REQUIRE(is_quorum(chosen));
    if (!conf.IsJoint()) REQUIRE(chosen.size() == conf.voters.size() / 2 + 1);
    chosen.pop_back();
    REQUIRE_FALSE(is_quorum(chosen));
  }
  CHECK(quorums > 1000);
}

TEST_CASE("two quorums of one configuration, or of two neighbours, have a common member") {
  Random random(9);
  const auto quorum = [&](const ConfState& conf, uint64_t members) {
    return IsQuorum(conf, [&](NodeId node) { return (members >> node.value() & 1) != 0; });
  };
  const auto overlap = [&](const ConfState& a, const ConfState& b) {
    for (uint64_t first = 0; first < 128; ++first) {
      const uint64_t second = 127 & ~first;  // the largest set without a common member
      if (quorum(a, first) && quorum(b, second)) return false;
    }
    return true;
  };
  for (int round = 0; round < 500; ++round) {
    ConfState before;
    for (uint64_t id = 0; id < 7; ++id) {
      if (random.Below(2) == 0) before.voters.emplace_back(id);
    }
    std::erase(before.voters, kNobody);
    if (before.voters.empty()) continue;
    ConfChange change;
    for (uint64_t id = 1; id < 7; ++id) {
      if (random.Below(3) == 0) {
        change.steps.push_back({static_cast<ConfStep::Op>(random.Below(3)), NodeId(id)});
      }
    }
    const base::Result<ConfState> after = Reconfigure(before, change);
    if (!after.ok()) continue;
    INFO(Describe(before) << " to " << Describe(*after));
    REQUIRE(overlap(before, before));
    REQUIRE(overlap(before, *after));
    if (!after->IsJoint()) continue;
    const base::Result<ConfState> left = Reconfigure(*after, ConfChange{});
    REQUIRE(left.ok());
    REQUIRE(overlap(*after, *left));
  }
}

}  // namespace matricula::raft::testing
