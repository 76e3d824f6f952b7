// Membership changes: thesis chapter 4. Leadership transfer: §3.10.
#include <catch2/catch.hpp>

#include "test/paper/solo.h"

namespace matricula::raft::testing {
namespace {

ConfChange Replace(std::vector<uint64_t> out, std::vector<uint64_t> in) {
  ConfChange change;
  for (const uint64_t id : out) change.steps.push_back({ConfStep::Op::kRemove, NodeId(id)});
  for (const uint64_t id : in) change.steps.push_back({ConfStep::Op::kAddVoter, NodeId(id)});
  return change;
}

ConfState Joint(ConfState conf, std::vector<uint64_t> outgoing) {
  for (const uint64_t id : outgoing) conf.outgoing.emplace_back(id);
  conf.auto_leave = true;
  return conf;
}

// A leader that has committed in its term.
void LeadFirmly(Solo& solo) {
  solo.Lead();
  for (const NodeId peer : solo.core().conf().Members()) {
    if (peer != NodeId(1)) solo.Ack(peer.value(), solo.core().last_index());
  }
  REQUIRE(solo.core().commit() == solo.core().last_index());
}

}  // namespace

TEST_CASE("4.1 - a configuration is in force as soon as it is appended, on every node") {
  Solo leader;
  LeadFirmly(leader);
  CHECK(leader.core().ProposeConfChange(AddVoter(4)).outcome == ProposeOutcome::kAppended);
  CHECK(leader.core().conf() == Conf({1, 2, 3, 4}));
  CHECK(leader.core().commit() == Index(1));

  Solo follower;
  follower.Hear(2, 1,
                AppendRequest{Index(0),
                              Term(0),
                              Index(0),
                              {{Index(1), Term(1), EntryType::kConf,
                                EncodeConfEntry({Conf({1, 2, 3, 4}), {}})}}});
  CHECK(follower.core().conf() == Conf({1, 2, 3, 4}));
  CHECK(follower.core().conf_index() == Index(1));
}

TEST_CASE("4.1 - the new configuration decides about its own commit") {
  Solo solo;
  LeadFirmly(solo);
  (void)solo.core().ProposeConfChange(AddVoter(4));
  solo.Said();
  solo.Ack(2, Index(2));
  CHECK(solo.core().commit() == Index(1));  // two of four
  solo.Ack(4, Index(2));
  CHECK(solo.core().commit() == Index(2));
}

TEST_CASE("4.1 - a configuration that is truncated away is not in force any more") {
  Solo solo;
  solo.Hear(2, 1,
            AppendRequest{Index(0),
                          Term(0),
                          Index(0),
                          {Command(1, 1),
                           {Index(2), Term(1), EntryType::kConf,
                            EncodeConfEntry({Conf({1, 2, 3, 4}), {}})}}});
  REQUIRE(solo.core().conf() == Conf({1, 2, 3, 4}));
  solo.Hear(3, 2, AppendRequest{Index(1), Term(1), Index(0), {Command(2, 2)}});
  CHECK(solo.core().conf() == Conf({1, 2, 3}));
}

TEST_CASE("4.1 - a restart finds the configurations of the log again") {
  Solo solo;
  solo.Hear(2, 1,
            AppendRequest{
                Index(0),
                Term(0),
                Index(0),
                {Command(1, 1),
                 {Index(2), Term(1), EntryType::kConf, EncodeConfEntry({Conf({1, 2, 3, 4}), {}})},
                 Command(3, 1)}});
  solo.node.Crash();
  solo.node.Restart();
  CHECK(solo.core().conf() == Conf({1, 2, 3, 4}));
  CHECK(solo.core().conf_index() == Index(2));
}

TEST_CASE("4.1 - one change at a time: the next waits until the last is committed") {
  Solo solo;
  LeadFirmly(solo);
  (void)solo.core().ProposeConfChange(AddVoter(4));
  CHECK(solo.core().ProposeConfChange(AddVoter(5)).outcome == ProposeOutcome::kChangePending);
  CHECK(solo.core().conf() == Conf({1, 2, 3, 4}));
  solo.Said();
  for (const uint64_t id : {2, 3, 4}) solo.Ack(id, Index(2));
  CHECK(solo.core().ProposeConfChange(AddVoter(5)).outcome == ProposeOutcome::kAppended);
}

TEST_CASE("4.1 - no change before the leader has committed an entry of its own term") {
  Solo solo;
  solo.Log({1});
  solo.Hear(2, 1, Heartbeat{Index(1)});
  solo.Lead();
  REQUIRE(solo.core().conf_index() <= solo.core().commit());
  CHECK(solo.core().ProposeConfChange(AddVoter(4)).outcome == ProposeOutcome::kChangePending);
  solo.Ack(2, Index(2));
  CHECK(solo.core().ProposeConfChange(AddVoter(4)).outcome == ProposeOutcome::kAppended);
}

TEST_CASE("4.1 - a node serves whoever leads or asks, known to its configuration or not") {
  Solo solo(Conf({1, 2, 3}), Plain);
  CHECK(Only<VoteReply>(solo.Hear(9, 1, VoteRequest{}))[0].second.granted);
  CHECK(Only<AppendReply>(solo.Hear(9, 1, AppendRequest{}))[0].second.taken);
  Solo newcomer(ConfState{});
  CHECK(Only<AppendReply>(
            newcomer.Hear(9, 1, AppendRequest{Index(0), Term(0), Index(0), {Command(1, 1)}}))[0]
            .second.taken);
}

TEST_CASE("4.1 - only a leader changes the configuration, and says what is wrong with a change") {
  Solo follower;
  CHECK(follower.core().ProposeConfChange(AddVoter(4)).outcome == ProposeOutcome::kNotLeader);
  Solo leader;
  LeadFirmly(leader);
  const Proposed refused = leader.core().ProposeConfChange(Remove(9));
  CHECK(refused.outcome == ProposeOutcome::kInvalidChange);
  CHECK(refused.reason == "member 9 is not of the group");
}

TEST_CASE("4.2.1 - a learner receives the log, and neither votes, counts nor stands") {
  Cluster cluster(3);
  cluster.Add(4);
  cluster.Elect(1);
  cluster.Propose(1, "before");
  (void)cluster[1].core().ProposeConfChange(AddLearner(4));
  cluster.TickAll(2);
  cluster.Propose(1, "after");
  CHECK(cluster[4].state().commands == std::vector<std::string>{"before", "after"});
  CHECK(cluster[4].core().conf() == Conf({1, 2, 3}, {4}));

  // Two of three voters are gone: the learner is no help.
  cluster.Isolate(2);
  cluster.Isolate(3);
  cluster.Propose(1, "lost");
  CHECK(cluster[1].core().commit() < cluster[1].core().last_index());
  cluster.TickAll(100);
  CHECK(cluster.Leader() == 0);
  CHECK(cluster[4].core().standing().role == Role::kFollower);
  CHECK(cluster[4].core().standing().term == Term(1));
}

TEST_CASE("4.2.1 - a learner that has caught up becomes a voter") {
  Cluster cluster(1);
  cluster.Add(2);
  cluster.TickAll(1);
  (void)cluster[1].core().ProposeConfChange(AddLearner(2));
  cluster.TickAll(2);
  CHECK(cluster[1].core().ProposeConfChange(AddVoter(2)).outcome == ProposeOutcome::kAppended);
  cluster.TickAll(2);
  CHECK(cluster[2].core().conf() == Conf({1, 2}));
  (void)cluster[1].core().TransferLeadership(NodeId(2));
  cluster.Settle();
  CHECK(cluster.Leader() == 2);
}

TEST_CASE("4.2.2 - a leader that is removed leads until the commit, without counting itself") {
  Solo solo;
  LeadFirmly(solo);
  (void)solo.core().ProposeConfChange(Remove(1));
  solo.Said();
  solo.Ack(2, Index(2));
  CHECK(solo.core().commit() == Index(1));  // one of {2, 3}; its own disk is none of them
  CHECK(solo.role() == Role::kLeader);
  const auto said = solo.Hear(3, 1, AppendReply{true, Index(2), Index(0), Index(0), Term(0)});
  CHECK(solo.core().commit() == Index(2));
  CHECK(solo.role() == Role::kFollower);
  CHECK_FALSE(solo.core().standing().member);
  // It says goodbye: the others learn of the commit, and one goes first.
  CHECK(Only<Heartbeat>(said).size() == 2);
  REQUIRE(Only<TimeoutNow>(said).size() == 1);
}

// Found by killing and replacing members of a busy cluster: who was a little behind never learned.
TEST_CASE("4.2.2 - who is removed while it is behind learns of it all the same") {
  Solo solo;
  LeadFirmly(solo);
  (void)solo.core().ProposeConfChange(Remove(3));
  solo.Said();
  solo.Ack(2, Index(2));
  REQUIRE(solo.core().commit() == Index(2));
  const auto said = solo.Hear(3, 1, AppendReply{true, Index(2), Index(0), Index(0), Term(0)});
  std::vector<std::pair<uint64_t, Index>> told;
  for (const auto& [to, heartbeat] : Only<Heartbeat>(said)) told.emplace_back(to, heartbeat.commit);
  CHECK(told == std::vector<std::pair<uint64_t, Index>>{{3, Index(2)}});
  for (const auto& [to, heartbeat] : Only<Heartbeat>(solo.Tick(5))) CHECK(to == 2);
}

TEST_CASE("4.2.2 - who is removed while it is silent for a moment learns of it all the same") {
  Solo solo;
  LeadFirmly(solo);
  for (int i = 0; i < 2 * solo.core().config().election_ticks; ++i) {
    solo.Tick();
    solo.Hear(2, 1, HeartbeatReply{0});
  }
  (void)solo.core().ProposeConfChange(Remove(3));
  solo.Said();
  solo.Ack(2, Index(2));
  REQUIRE(solo.core().commit() == Index(2));
  const auto said = solo.Hear(3, 1, AppendReply{true, Index(2), Index(0), Index(0), Term(0)});
  REQUIRE(Only<Heartbeat>(said).size() == 1);
  CHECK(Only<Heartbeat>(said).front().second.commit == Index(2));
}

TEST_CASE("4.2.2 - who is removed and silent is soon not served any more") {
  Solo solo;
  LeadFirmly(solo);
  (void)solo.core().ProposeConfChange(Remove(3));
  solo.Said();
  solo.Ack(2, Index(2));
  for (int i = 0; i < 3 * solo.core().config().election_ticks; ++i) {
    solo.Tick();
    solo.Hear(2, 1, HeartbeatReply{0});
  }
  REQUIRE(solo.role() == Role::kLeader);
  CHECK(solo.core().peers().size() == 2);
}

TEST_CASE("4.2.2 - after the removal of the leader another leads at once") {
  Cluster cluster(3);
  cluster.Elect(1);
  (void)cluster[1].core().ProposeConfChange(Remove(1));
  cluster.Settle();
  CHECK(cluster.Leader() != 1);
  CHECK(cluster.Leader() != 0);
  CHECK(cluster[2].core().conf() == Conf({2, 3}));
}

TEST_CASE("4.2.2 - who is out of the latest configuration stands only while that is uncommitted") {
  // Its log may be the only one that can win: {1, 2} became {2}, and only 1 knows.
  Cluster cluster(2);
  cluster.Elect(1);
  cluster.Isolate(2);
  (void)cluster[1].core().ProposeConfChange(Remove(1));
  cluster.Settle();
  cluster[1].Crash();
  cluster[1].Restart();
  cluster.Heal();
  CHECK(cluster[1].core().conf() == Conf({2}));
  for (int i = 0; i < 60 && cluster[2].core().conf() != Conf({2}); ++i) cluster.TickAll();
  cluster.TickAll(40);
  CHECK(cluster[2].core().conf() == Conf({2}));
  CHECK(cluster.Leader() == 2);
  // Now it is committed, and node 1 rests.
  const Term term = cluster[1].core().standing().term;
  cluster[1].core().Campaign();
  cluster.TickAll(60);
  CHECK(cluster[1].core().standing().role == Role::kFollower);
  CHECK(cluster[1].core().standing().term <= std::max(term, cluster[2].core().standing().term));
  CHECK(cluster.Leader() == 2);
}

TEST_CASE("4.2.3 - a removed node that never heard of it cannot disturb the others") {
  Cluster cluster(4);
  cluster.Elect(1);
  cluster.Isolate(4);
  (void)cluster[1].core().ProposeConfChange(Remove(4));
  cluster.TickAll(2);
  CHECK(cluster[1].core().conf() == Conf({1, 2, 3}));
  cluster.Heal();
  const Term term = cluster[1].core().standing().term;
  cluster.TickAll(100);
  CHECK(cluster.Leader() == 1);
  CHECK(cluster[1].core().standing().term == term);
  CHECK(cluster[4].core().standing().term == term);
}

TEST_CASE("4.3 - a change of several voters goes through a joint configuration") {
  Solo solo;
  LeadFirmly(solo);
  (void)solo.core().ProposeConfChange(Replace({2, 3}, {4, 5}));
  CHECK(solo.core().conf() == Joint(Conf({1, 4, 5}), {1, 2, 3}));
}

TEST_CASE("4.3 - while joint, entries are committed by both majorities") {
  struct Case {
    std::vector<uint64_t> acks;
    bool committed;
  };
  for (const Case& c : {Case{{2, 3}, false}, Case{{4, 5}, false}, Case{{2, 4}, true},
                        Case{{2}, false}, Case{{4}, false}, Case{{3, 5}, true}}) {
    Solo solo;
    LeadFirmly(solo);
    (void)solo.core().ProposeConfChange(Replace({2, 3}, {4, 5}));
    solo.Said();
    for (const uint64_t id : c.acks) solo.Ack(id, Index(2));
    CHECK(solo.core().commit() == Index(c.committed ? 2 : 1));
  }
}

TEST_CASE("4.3 - while joint, a leader is elected by both majorities") {
  struct Case {
    std::vector<uint64_t> votes;
    Role role;
  };
  for (const Case& c : {Case{{2, 3}, Role::kCandidate}, Case{{4, 5}, Role::kCandidate},
                        Case{{2, 4}, Role::kLeader}, Case{{2}, Role::kCandidate}}) {
    Solo solo(Joint(Conf({1, 4, 5}), {1, 2, 3}), Plain);
    solo.core().Campaign();
    CHECK(Only<VoteRequest>(solo.Said()).size() == 4);
    for (const uint64_t id : c.votes) solo.Hear(id, 1, VoteReply{true});
    CHECK(solo.role() == c.role);
  }
  Solo solo(Joint(Conf({1, 4, 5}), {1, 2, 3}), Plain);
  solo.core().Campaign();
  solo.Said();
  solo.Hear(4, 1, VoteReply{false});
  solo.Hear(5, 1, VoteReply{false});
  CHECK(solo.role() == Role::kFollower);  // one half is lost, so all is
}

TEST_CASE("4.3 - once joint is committed, the leader goes on to the new configuration") {
  Cluster cluster(3);
  cluster.Add(4);
  cluster.Add(5);
  cluster.Elect(1);
  (void)cluster[1].core().ProposeConfChange(Replace({2, 3}, {4, 5}));
  cluster.TickAll(4);
  for (const uint64_t id : {1, 4, 5}) {
    CHECK(cluster[id].core().conf() == Conf({1, 4, 5}));
    CHECK(cluster[id].core().commit() == Index(3));
  }
  // Those who left have heard of it.
  CHECK_FALSE(cluster[2].core().standing().member);
  CHECK(cluster[2].core().commit() >= Index(2));
}

TEST_CASE("4.3 - a new leader ends a joint configuration that it inherits") {
  Cluster cluster(3);
  cluster.Add(4);
  cluster.Elect(1);
  ConfChange change = AddVoter(4);
  change.transition = ConfChange::Transition::kJoint;
  (void)cluster[1].core().ProposeConfChange(change);
  cluster.lose = [](const Message& message) {
    const auto* append = As<AppendRequest>(message);
    // The leave entry stays with node 1.
    return message.from == NodeId(1) && append != nullptr && !append->entries.empty() &&
           append->entries.back().index == Index(3);
  };
  cluster.TickAll(2);
  REQUIRE(cluster[1].core().last_index() == Index(3));
  REQUIRE(cluster[2].core().last_index() == Index(2));
  cluster[1].Crash();
  cluster.lose = {};
  cluster.Elect(2);
  cluster.TickAll(3);
  CHECK(cluster[2].core().conf() == Conf({1, 2, 3, 4}));
  CHECK(cluster[3].core().conf() == Conf({1, 2, 3, 4}));
}

TEST_CASE("4.3 - an explicit joint configuration waits to be left") {
  Cluster cluster(3);
  cluster.Elect(1);
  ConfChange change = Remove(3);
  change.transition = ConfChange::Transition::kJointExplicit;
  (void)cluster[1].core().ProposeConfChange(change);
  cluster.TickAll(5);
  CHECK(cluster[1].core().conf().IsJoint());
  CHECK(cluster[1].core().ProposeConfChange(AddVoter(4)).outcome == ProposeOutcome::kChangePending);
  CHECK(cluster[1].core().ProposeConfChange({}).outcome == ProposeOutcome::kAppended);
  cluster.TickAll(2);
  CHECK(cluster[2].core().conf() == Conf({1, 2}));
}

TEST_CASE("4.3 - a voter that becomes a learner votes in the old half until joint ends") {
  Cluster cluster(3);
  cluster.Add(4);
  cluster.Elect(1);
  ConfChange change = AddVoter(4);
  change.steps.push_back({ConfStep::Op::kAddLearner, NodeId(3)});
  change.transition = ConfChange::Transition::kJointExplicit;
  (void)cluster[1].core().ProposeConfChange(change);
  cluster.TickAll(3);
  CHECK(cluster[1].core().conf().learners_next == std::vector<NodeId>{NodeId(3)});
  CHECK(cluster[1].core().conf().IsVoter(NodeId(3)));
  (void)cluster[1].core().ProposeConfChange({});
  cluster.TickAll(2);
  CHECK(cluster[3].core().conf() == Conf({1, 2, 4}, {3}));
}

TEST_CASE("3.10 - a transfer brings the target up to date first") {
  Solo solo;
  LeadFirmly(solo);
  solo.Propose("a");
  solo.Said();
  solo.Ack(3, Index(2));
  CHECK(solo.core().TransferLeadership(NodeId(2)) == TransferOutcome::kStarted);
  CHECK(Only<TimeoutNow>(solo.Said()).empty());
  CHECK(solo.Propose("b").outcome == ProposeOutcome::kTransferring);
  CHECK(solo.core().ProposeConfChange(AddVoter(4)).outcome == ProposeOutcome::kTransferring);
  const auto said = solo.Hear(2, 1, AppendReply{true, Index(2), Index(0), Index(0), Term(0)});
  REQUIRE(Only<TimeoutNow>(said).size() == 1);
  CHECK(Only<TimeoutNow>(said)[0].first == 2);
}

TEST_CASE("3.10 - the target stands at once, without a pre-vote, and is not disregarded") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  CHECK(cluster[1].core().TransferLeadership(NodeId(3)) == TransferOutcome::kStarted);
  cluster.Settle();
  CHECK(cluster.Leader() == 3);
  CHECK(cluster[3].core().standing().term == Term(2));
  CHECK(cluster[1].core().standing().role == Role::kFollower);
}

TEST_CASE("3.10 - a transfer is given up after an election time-out") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster[3].Crash();
  (void)cluster[1].core().TransferLeadership(NodeId(3));
  cluster.TickAll(9);
  CHECK(cluster[1].core().transfer_target() == NodeId(3));
  CHECK(cluster.Propose(1, "a").outcome == ProposeOutcome::kTransferring);
  cluster.TickAll(1);
  CHECK(cluster[1].core().transfer_target() == kNobody);
  CHECK(cluster.Propose(1, "a").outcome == ProposeOutcome::kAppended);
  CHECK(cluster.Leader() == 1);
}

TEST_CASE("3.10 - leadership goes to voters only, and only from the leader") {
  Solo solo(Conf({1, 2}, {3}));
  CHECK(solo.core().TransferLeadership(NodeId(2)) == TransferOutcome::kNotLeader);
  CHECK(solo.core().transfer_target() == kNobody);
  solo.Lead();
  CHECK(solo.core().TransferLeadership(NodeId(1)) == TransferOutcome::kAlreadyLeader);
  CHECK(solo.core().TransferLeadership(NodeId(3)) == TransferOutcome::kNotVoter);
  CHECK(solo.core().TransferLeadership(NodeId(9)) == TransferOutcome::kNotVoter);
}

TEST_CASE("3.10 - a learner does not obey a call to stand") {
  Solo solo(Conf({2, 3}, {1}));
  CHECK(solo.Hear(2, 1, TimeoutNow{}).empty());
  CHECK(solo.role() == Role::kFollower);
}

TEST_CASE("3.10 - another target takes the place of the first") {
  Solo solo;
  LeadFirmly(solo);
  solo.Propose("a");
  solo.Said();
  (void)solo.core().TransferLeadership(NodeId(2));
  (void)solo.core().TransferLeadership(NodeId(2));
  (void)solo.core().TransferLeadership(NodeId(3));
  CHECK(solo.core().transfer_target() == NodeId(3));
  CHECK(Only<TimeoutNow>(solo.Hear(2, 1, AppendReply{true, Index(2), {}, {}, {}})).empty());
  CHECK(Only<TimeoutNow>(solo.Hear(3, 1, AppendReply{true, Index(2), {}, {}, {}})).size() == 1);
}

}  // namespace matricula::raft::testing
