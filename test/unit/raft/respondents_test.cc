// Whom a leader asks to confirm its reads (read.cc).
#include <catch2/catch.hpp>

#include "test/paper/solo.h"

namespace matricula::raft::testing {
namespace {

using Ids = std::vector<uint64_t>;

// Regular heartbeats are far apart, so that what a tick sends is sent because of a read.
void RareHeartbeats(Config& config) {
  config.heartbeat_ticks = 20;
  config.election_ticks = 60;
}

void Catch(Solo& solo, const Ids& peers) {
  for (const uint64_t peer : peers) solo.Ack(peer, solo.core().last_index());
}

// A leader of a group in which nothing is under way.
Solo Quiet(ConfState conf) {
  Solo solo(std::move(conf), RareHeartbeats);
  solo.Lead();
  for (const NodeId peer : solo.core().conf().Members()) {
    if (peer != solo.node.id()) Catch(solo, {peer.value()});
  }
  solo.Said();
  return solo;
}

Ids Receivers(const std::vector<Message>& messages) {
  Ids receivers;
  for (const auto& [to, heartbeat] : Only<Heartbeat>(messages)) receivers.push_back(to);
  return receivers;
}

Ids AskedByRead(Solo& solo) {
  REQUIRE(solo.core().ReadIndex().ticket.has_value());
  return Receivers(solo.Said());
}

size_t Confirmed(Solo& solo) {
  size_t confirmed = 0;
  for (const ReadAnswer& answer : std::exchange(solo.node.reads, {})) confirmed += answer.confirmed;
  return confirmed;
}

}  // namespace

TEST_CASE("a round asks as many as make a quorum with the leader while nothing is under way") {
  Solo three = Quiet(Conf({1, 2, 3}));
  for (uint64_t round = 1; round <= 5; ++round) {
    CHECK(AskedByRead(three) == Ids{2});
    CHECK(Confirmed(three) == 0);
    three.Hear(2, 1, HeartbeatReply{round});
    CHECK(Confirmed(three) == 1);
  }

  Solo five = Quiet(Conf({1, 2, 3, 4, 5}));
  CHECK(AskedByRead(five) == Ids{2, 3});
  five.Hear(2, 1, HeartbeatReply{1});
  CHECK(Confirmed(five) == 0);
  five.Hear(3, 1, HeartbeatReply{1});
  CHECK(Confirmed(five) == 1);
}

TEST_CASE("rounds that follow each other before an answer ask the same one") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  CHECK(AskedByRead(solo) == Ids{2});
  CHECK(AskedByRead(solo) == Ids{2});
  solo.Hear(2, 1, HeartbeatReply{1});
  CHECK(AskedByRead(solo) == Ids{2});
  solo.Hear(2, 1, HeartbeatReply{3});
  CHECK(Confirmed(solo) == 3);
}

TEST_CASE("while an entry is under way a round asks everybody who may have to write it") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  solo.Propose("a");
  CHECK(AskedByRead(solo) == Ids{2, 3});
  // Whoever has written it has nothing more to do.
  Catch(solo, {3});
  CHECK(AskedByRead(solo) == Ids{3});
  solo.Hear(3, 1, HeartbeatReply{2});
  CHECK(Confirmed(solo) == 2);
}

TEST_CASE("a proposal and a read in one breath ask everybody") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  REQUIRE(solo.core().ReadIndex().ticket.has_value());
  solo.Propose("a");
  CHECK(Receivers(solo.Said()) == Ids{2, 3});
}

TEST_CASE("a new leader asks everybody until its first entry has arrived") {
  Solo solo(Conf({1, 2, 3}), RareHeartbeats);
  solo.Lead();
  CHECK(AskedByRead(solo) == Ids{2, 3});
}

TEST_CASE("if who was asked keeps silent, the next tick asks everybody, and then another one") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  CHECK(AskedByRead(solo) == Ids{2});
  CHECK(Receivers(solo.Tick()) == Ids{2, 3});
  // Until that is answered nobody is preferred.
  CHECK(AskedByRead(solo) == Ids{2, 3});
  solo.Hear(3, 1, HeartbeatReply{2});
  CHECK(Confirmed(solo) == 2);
  CHECK(Receivers(solo.Tick()).empty());
  CHECK(AskedByRead(solo) == Ids{3});
  solo.Hear(3, 1, HeartbeatReply{3});
  CHECK(Confirmed(solo) == 1);
}

TEST_CASE("a lost answer costs a tick, not the read") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  for (int times = 0; times < 3; ++times) {
    CHECK(AskedByRead(solo) == Ids{2});
    const auto beats = Only<Heartbeat>(solo.Tick());
    REQUIRE(beats.size() == 2);
    solo.Hear(2, 1, HeartbeatReply{beats[0].second.round});
    CHECK(Confirmed(solo) == 1);
  }
}

TEST_CASE("who answered the newest round first is asked, however many follow") {
  Solo solo = Quiet(Conf({1, 2, 3, 4, 5}));
  CHECK(AskedByRead(solo) == Ids{2, 3});
  CHECK(Receivers(solo.Tick()) == Ids{2, 3, 4, 5});
  for (const uint64_t id : {5, 4, 2, 3}) solo.Hear(id, 1, HeartbeatReply{1});
  CHECK(Confirmed(solo) == 1);
  CHECK(AskedByRead(solo) == Ids{4, 5});
  // To answer the same again makes nobody slower.
  solo.Hear(5, 1, HeartbeatReply{1});
  CHECK(AskedByRead(solo) == Ids{4, 5});
}

TEST_CASE("who cannot be reached is not asked alone") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  solo.node.core().PeerUnreachable(NodeId(2));
  CHECK(AskedByRead(solo) == Ids{3});
  solo.node.core().PeerUnreachable(NodeId(3));
  CHECK(AskedByRead(solo) == Ids{2, 3});
}

TEST_CASE("a learner is not asked, and does not help to make a quorum") {
  Solo solo = Quiet(Conf({1, 2, 3}, {4}));
  solo.Propose("a");
  solo.Said();
  Catch(solo, {4});
  CHECK(AskedByRead(solo) == Ids{2, 3, 4});
  Catch(solo, {3});
  CHECK(AskedByRead(solo) == Ids{3});

  Solo alone(Conf({1}, {2}), RareHeartbeats);
  alone.Tick();
  Catch(alone, {2});
  alone.node.reads.clear();
  CHECK(AskedByRead(alone).empty());
  CHECK(Confirmed(alone) == 1);
}

TEST_CASE("in a joint configuration a quorum of both halves is asked") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  ConfChange change;
  change.transition = ConfChange::Transition::kJointExplicit;
  change.steps = {{ConfStep::Op::kAddVoter, NodeId(4)},
                  {ConfStep::Op::kAddVoter, NodeId(5)},
                  {ConfStep::Op::kRemove, NodeId(2)},
                  {ConfStep::Op::kRemove, NodeId(3)}};
  REQUIRE(solo.core().ProposeConfChange(change).outcome == ProposeOutcome::kAppended);
  solo.Said();
  REQUIRE(solo.core().conf().IsJoint());
  Catch(solo, {4, 5});
  CHECK(AskedByRead(solo) == Ids{2, 3, 4, 5});  // no quorum of the old half has the entry
  Catch(solo, {3, 2});
  CHECK(AskedByRead(solo) == Ids{2, 4});
  solo.Hear(2, 1, HeartbeatReply{2});
  CHECK(Confirmed(solo) == 0);
  solo.Hear(4, 1, HeartbeatReply{2});
  CHECK(Confirmed(solo) == 2);
}

TEST_CASE("a leader that is about to leave asks a quorum without itself") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  ConfChange change;
  change.transition = ConfChange::Transition::kJointExplicit;
  change.steps = {{ConfStep::Op::kRemove, NodeId(1)}};
  REQUIRE(solo.core().ProposeConfChange(change).outcome == ProposeOutcome::kAppended);
  solo.Said();
  REQUIRE(solo.core().conf().IsJoint());
  Catch(solo, {2, 3});
  CHECK(AskedByRead(solo) == Ids{2, 3});
  solo.Hear(3, 1, HeartbeatReply{1});
  CHECK(Confirmed(solo) == 0);
  solo.Hear(2, 1, HeartbeatReply{1});
  CHECK(Confirmed(solo) == 1);
}

TEST_CASE("a follower's question makes a quorum of three with the leader, and asks nobody else") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  const auto ask = [&](uint64_t from, uint64_t number) {
    return solo.Hear(from, solo.term(), ReadRequest{{NodeId(from), 1, number}});
  };
  const auto is_answer = [&](const std::vector<Message>& said, uint64_t to, uint64_t index) {
    const auto replies = Only<ReadReply>(said);
    return said.size() == 1 && replies.size() == 1 && replies[0].first == to &&
           replies[0].second.confirmed && replies[0].second.index == Index(index);
  };
  CHECK(is_answer(ask(3, 1), 3, 1));
  solo.Propose("a");
  solo.Said();
  CHECK(is_answer(ask(2, 1), 2, 1));
  Catch(solo, {3});
  CHECK(is_answer(ask(2, 2), 2, 2));
  Catch(solo, {2});

  // It says nothing about a read that came to somebody else, perhaps long after it was written.
  CHECK(AskedByRead(solo) == Ids{2});
  CHECK(is_answer(ask(2, 3), 2, 2));
  CHECK(is_answer(ask(3, 2), 3, 2));
  CHECK(Confirmed(solo) == 0);
}

TEST_CASE("a follower's question is no quorum of five, and a learner's none at all") {
  Solo five = Quiet(Conf({1, 2, 3, 4, 5}));
  const auto said = five.Hear(5, 1, ReadRequest{{NodeId(5), 1, 1}});
  CHECK(Receivers(said) == Ids{2, 3});
  CHECK(Only<ReadReply>(said).empty());

  Solo three = Quiet(Conf({1, 2, 3}, {4}));
  CHECK(Receivers(three.Hear(4, 1, ReadRequest{{NodeId(4), 1, 1}})) == Ids{2});
  const auto answered = Only<ReadReply>(three.Hear(2, 1, HeartbeatReply{1}));
  REQUIRE(answered.size() == 1);
  CHECK(answered[0].first == 4);
}

TEST_CASE("a follower's question waits until the leader has committed in its own term") {
  Solo solo(Conf({1, 2, 3}), RareHeartbeats);
  solo.Lead();
  const auto said = solo.Hear(3, 1, ReadRequest{{NodeId(3), 1, 1}});
  CHECK(Only<ReadReply>(said).empty());
  CHECK(Receivers(said) == Ids{2, 3});
  solo.Hear(2, 1, HeartbeatReply{1});
  const auto answered =
      Only<ReadReply>(solo.Hear(2, 1, AppendReply{true, Index(1), Index(0), Index(0), Term(0)}));
  REQUIRE(answered.size() == 1);
  CHECK(answered[0].second.index == Index(1));
}

TEST_CASE("a question of an earlier term confirms nothing") {
  Solo solo = Quiet(Conf({1, 2, 3}));
  solo.Hear(3, 2, TermNotice{});
  solo.Lead();
  Catch(solo, {2, 3});
  const auto said = solo.Hear(3, 1, ReadRequest{{NodeId(3), 1, 1}});
  CHECK(Only<ReadReply>(said).empty());
  CHECK(Only<TermNotice>(said).size() == 1);
}

TEST_CASE("a follower that dies costs a read one tick, and the next ones nothing") {
  Cluster cluster(3, [](Config& config) {
    config.heartbeat_ticks = 3;
    config.election_ticks = 30;
  });
  cluster.Elect(1);
  cluster.Isolate(2);
  const auto reads = [&] { return std::exchange(cluster[1].reads, {}).size(); };
  reads();
  (void)cluster[1].core().ReadIndex();
  cluster.Settle();
  CHECK(reads() == 0);
  cluster.TickAll(1);
  CHECK(reads() == 1);
  for (int i = 0; i < 20; ++i) {
    (void)cluster[1].core().ReadIndex();
    cluster.Settle();
    CHECK(reads() == 1);
    cluster.TickAll(1);
  }
  cluster.Heal();
  cluster.TickAll(4);
  cluster.Isolate(3);
  (void)cluster[1].core().ReadIndex();
  cluster.Settle();
  cluster.TickAll(1);
  CHECK(reads() == 1);
}

}  // namespace matricula::raft::testing
