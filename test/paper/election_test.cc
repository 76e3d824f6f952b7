// Terms and elections: thesis §3.3, §3.4, §3.6.1 and §3.8; pre-vote: §9.6; leases: §4.2.3 and §6.2.
#include <catch2/catch.hpp>

#include "test/paper/solo.h"

namespace matricula::raft::testing {

TEST_CASE("3.3 - whoever hears of a larger term takes it and follows") {
  for (const Role role : {Role::kFollower, Role::kCandidate, Role::kLeader}) {
    Solo solo(Conf({1, 2, 3}), Plain);
    if (role == Role::kCandidate) solo.core().Campaign();
    if (role == Role::kLeader) solo.Lead();
    REQUIRE(solo.role() == role);
    solo.Hear(2, 7, AppendRequest{});
    CHECK(solo.role() == Role::kFollower);
    CHECK(solo.term() == 7);
    CHECK(solo.core().standing().leader == NodeId(2));
    CHECK(solo.node.disk().hard_state.term == Term(7));
  }
}

TEST_CASE("3.3 - a request of an earlier term is refused with the term of today") {
  const Body stale[] = {AppendRequest{},
                        Heartbeat{},
                        VoteRequest{},
                        PreVoteRequest{},
                        ReadRequest{{NodeId(2), 1, 1}},
                        ProposeRequest{{NodeId(2), 1, 1}, {}}};
  for (const Body& body : stale) {
    Solo solo(Conf({1, 2, 3}), Plain);
    solo.Hear(3, 5, AppendRequest{});
    const auto said = solo.Hear(2, 4, body);
    REQUIRE(said.size() == 1);
    CHECK(As<TermNotice>(said[0]) != nullptr);
    CHECK(said[0].term == Term(5));
    CHECK(solo.core().standing().leader == NodeId(3));
  }
}

TEST_CASE("3.3 - an answer of an earlier term is ignored") {
  Solo solo(Conf({1, 2, 3}), Plain);
  solo.core().Campaign();
  solo.Said();
  solo.Tick(20);  // a second election, in term 2
  REQUIRE(solo.term() == 2);
  CHECK(solo.Hear(2, 1, VoteReply{true}).empty());
  CHECK(solo.role() == Role::kCandidate);
}

TEST_CASE("3.4 - a node starts as follower, and stays one while it hears from a leader") {
  Solo solo;
  CHECK(solo.role() == Role::kFollower);
  CHECK(solo.core().TakeOutput().Empty());
  for (int i = 0; i < 100; ++i) {
    solo.Hear(2, 1, Heartbeat{});
    solo.Tick(9);
    CHECK(solo.role() == Role::kFollower);
  }
}

TEST_CASE("3.4 - a leader sends heartbeats to everybody, at every interval") {
  Solo solo(Conf({1, 2, 3}, {4}), [](Config& config) { config.heartbeat_ticks = 2; });
  solo.Lead();
  for (int i = 0; i < 3; ++i) {
    CHECK(Only<Heartbeat>(solo.Tick()).empty());
    const auto beats = Only<Heartbeat>(solo.Tick());
    REQUIRE(beats.size() == 3);
    CHECK(beats[0].first == 2);
    CHECK(beats[1].first == 3);
    CHECK(beats[2].first == 4);
  }
}

TEST_CASE("3.4 - an election: the next term, a vote for itself, requests to all other voters") {
  Solo solo(Conf({1, 2, 3}, {4}), Plain);
  solo.Log({1, 1, 2});
  solo.core().Campaign();
  const auto said = solo.Said();
  CHECK(solo.role() == Role::kCandidate);
  CHECK(solo.term() == 3);
  CHECK(solo.node.disk().hard_state == HardState{Term(3), NodeId(1), Index(0)});
  const auto asked = Only<VoteRequest>(said);
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].first == 2);
  CHECK(asked[1].first == 3);
  CHECK(asked[0].second.last_index == Index(3));
  CHECK(asked[0].second.last_term == Term(2));
}

TEST_CASE("3.4 - votes of a majority win, fewer wait, refusals of a majority end the attempt") {
  struct Case {
    uint64_t voters;
    std::vector<bool> answers;  // of nodes 2, 3, ...
    Role role;
  };
  const Case cases[] = {
      {1, {}, Role::kLeader},
      {3, {true}, Role::kLeader},
      {3, {false}, Role::kCandidate},
      {3, {false, false}, Role::kFollower},
      {3, {false, true}, Role::kLeader},
      {4, {true}, Role::kCandidate},
      {4, {true, true}, Role::kLeader},
      {4, {false, false}, Role::kFollower},
      {5, {true}, Role::kCandidate},
      {5, {true, true}, Role::kLeader},
      {5, {true, false, false}, Role::kCandidate},
      {5, {false, false, false}, Role::kFollower},
      {5, {}, Role::kCandidate},
  };
  for (const Case& c : cases) {
    std::vector<uint64_t> voters;
    for (uint64_t id = 1; id <= c.voters; ++id) voters.push_back(id);
    Solo solo(Conf(voters), Plain);
    solo.core().Campaign();
    solo.Said();
    for (size_t i = 0; i < c.answers.size(); ++i) solo.Hear(i + 2, 1, VoteReply{c.answers[i]});
    INFO(c.voters << " voters, " << c.answers.size() << " answers");
    CHECK(solo.role() == c.role);
  }
}

TEST_CASE("3.4 - a vote counts once, however often it arrives, and only from a voter") {
  Solo solo(Conf({1, 2, 3, 4, 5}, {6}), Plain);
  solo.core().Campaign();
  solo.Said();
  for (int i = 0; i < 3; ++i) solo.Hear(2, 1, VoteReply{true});
  solo.Hear(6, 1, VoteReply{true});
  solo.Hear(9, 1, VoteReply{true});
  CHECK(solo.role() == Role::kCandidate);
  solo.Hear(3, 1, VoteReply{true});
  CHECK(solo.role() == Role::kLeader);
}

TEST_CASE("3.4 - one vote in a term, first come first served") {
  struct Case {
    uint64_t voted_for;  // 0: nobody yet
    uint64_t asker;
    bool granted;
  };
  for (const Case& c : {Case{0, 2, true}, Case{0, 3, true}, Case{2, 2, true}, Case{3, 3, true},
                        Case{2, 3, false}, Case{3, 2, false}}) {
    Solo solo(Conf({1, 2, 3}), Plain);
    if (c.voted_for != 0) solo.Hear(c.voted_for, 1, VoteRequest{});
    const auto said = Only<VoteReply>(solo.Hear(c.asker, 1, VoteRequest{}));
    REQUIRE(said.size() == 1);
    CHECK(said[0].second.granted == c.granted);
  }
}

TEST_CASE("3.4 - a candidate and a leader refuse others in their own term") {
  Solo solo(Conf({1, 2, 3}), Plain);
  solo.core().Campaign();
  solo.Said();
  CHECK_FALSE(Only<VoteReply>(solo.Hear(2, 1, VoteRequest{Index(9), Term(1)}))[0].second.granted);
  solo.Hear(3, 1, VoteReply{true});
  REQUIRE(solo.role() == Role::kLeader);
  CHECK_FALSE(Only<VoteReply>(solo.Hear(2, 1, VoteRequest{Index(9), Term(1)}))[0].second.granted);
}

TEST_CASE("3.4 - a follower of a leader does not vote in that leader's term") {
  Solo solo(Conf({1, 2, 3}), Plain);
  solo.Hear(2, 1, Heartbeat{});
  CHECK_FALSE(Only<VoteReply>(solo.Hear(3, 1, VoteRequest{}))[0].second.granted);
}

TEST_CASE("3.4 - a candidate that hears from the leader of its term follows it") {
  for (const Body& body : {Body(AppendRequest{}), Body(Heartbeat{})}) {
    Solo solo(Conf({1, 2, 3}), Plain);
    solo.core().Campaign();
    solo.Hear(2, 1, body);
    CHECK(solo.role() == Role::kFollower);
    CHECK(solo.core().standing().leader == NodeId(2));
    CHECK(solo.term() == 1);
  }
}

TEST_CASE("3.4 - a split vote ends by time-out, in a further term") {
  Solo solo(Conf({1, 2, 3}), Plain);
  solo.core().Campaign();
  solo.Said();
  solo.Hear(2, 1, VoteReply{false});
  REQUIRE(solo.role() == Role::kCandidate);
  const auto said = Only<VoteRequest>(solo.Tick(20));
  CHECK(solo.term() == 2);
  CHECK(said.size() == 2);
}

TEST_CASE("3.4 - election time-outs are drawn anew, all values from one to two times the base") {
  std::map<int, int> drawn;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Solo solo(Conf({1, 2, 3}), [&](Config& config) { config.seed = seed; });
    ++drawn[solo.TicksUntilElection()];
  }
  CHECK(drawn.begin()->first == 10);
  CHECK(drawn.rbegin()->first == 19);
  CHECK(drawn.size() == 10);
  for (const auto& [ticks, times] : drawn) CHECK(times > 20);

  Solo solo(Conf({1, 2, 3}), Plain);
  std::set<int> of_one_node;
  for (int i = 0; i < 30; ++i) {
    solo.Hear(2, solo.term() + 1, Heartbeat{});
    of_one_node.insert(solo.TicksUntilElection());
  }
  CHECK(of_one_node.size() > 4);
}

TEST_CASE("3.4 - nodes seldom draw the same time-out") {
  int conflicts = 0;
  for (uint64_t round = 0; round < 200; ++round) {
    std::vector<int> timeouts;
    for (uint64_t node = 0; node < 5; ++node) {
      Solo solo(Conf({1, 2, 3, 4, 5}), [&](Config& config) {
        config.seed = round * 5 + node;
        config.election_ticks = 50;
      });
      timeouts.push_back(solo.TicksUntilElection());
    }
    std::sort(timeouts.begin(), timeouts.end());
    // Nobody else stands before the first has had two ticks to win.
    if (timeouts[1] - timeouts[0] < 2) ++conflicts;
  }
  CHECK(conflicts < 60);
}

TEST_CASE("3.4 - a granted vote sets the clock back, a refused one and a mere term do not") {
  const auto ticks_after = [](uint64_t term, const Body& body) {
    Solo solo(Conf({1, 2, 3}), Plain);
    solo.Log({1, 1});
    const int before = 9;
    solo.Tick(before);
    solo.Hear(3, term, body);
    return before + solo.TicksUntilElection();
  };
  const int undisturbed = ticks_after(1, VoteReply{});
  CHECK(ticks_after(2, VoteRequest{Index(2), Term(1)}) == undisturbed + 9);
  CHECK(ticks_after(2, VoteRequest{Index(1), Term(1)}) == undisturbed);
  CHECK(ticks_after(2, TermNotice{}) == undisturbed);
}

TEST_CASE("3.6.1 - a vote is only for a log that is at least as complete") {
  struct Case {
    std::vector<uint64_t> log;
    uint64_t last_index;
    uint64_t last_term;
    bool granted;
  };
  const Case cases[] = {
      {{1}, 1, 1, true},        {{1}, 2, 1, true},       {{1, 1}, 1, 1, false},
      {{1}, 1, 2, true},        {{1}, 2, 2, true},       {{1, 1}, 1, 2, true},
      {{2}, 1, 1, false},       {{2}, 2, 1, false},      {{2, 1 + 1}, 1, 1, false},
      {{1, 1, 3}, 9, 2, false}, {{1, 1, 3}, 3, 3, true},
  };
  for (const Case& c : cases) {
    Solo solo(Conf({1, 2, 3}), Plain);
    solo.Log(c.log);
    const auto said =
        Only<VoteReply>(solo.Hear(3, 9, VoteRequest{Index(c.last_index), Term(c.last_term)}));
    REQUIRE(said.size() == 1);
    CHECK(said[0].second.granted == c.granted);
    CHECK(solo.term() == 9);
  }
}

TEST_CASE("3.8 - a vote is durable before it is answered, and outlives a crash") {
  Solo solo(Conf({1, 2, 3}), Plain);
  solo.node.hold_disk = true;
  CHECK(solo.Hear(2, 1, VoteRequest{}).empty());
  solo.node.hold_disk = false;
  CHECK(Only<VoteReply>(solo.Said())[0].second.granted);
  solo.node.Crash();
  solo.node.Restart();
  CHECK(solo.term() == 1);
  CHECK_FALSE(Only<VoteReply>(solo.Hear(3, 1, VoteRequest{}))[0].second.granted);
  CHECK(Only<VoteReply>(solo.Hear(2, 1, VoteRequest{}))[0].second.granted);
}

TEST_CASE("3.8 - a candidate asks only once its own vote is durable") {
  Solo solo(Conf({1, 2, 3}), Plain);
  solo.node.hold_disk = true;
  solo.core().Campaign();
  CHECK(solo.Said().empty());
  solo.node.hold_disk = false;
  CHECK(Only<VoteRequest>(solo.Said()).size() == 2);
}

TEST_CASE("3.8 - a group of one leads only once its vote is durable") {
  Solo solo(Conf({1}, {4}), Plain);
  solo.node.hold_disk = true;
  solo.Tick();
  CHECK(solo.role() == Role::kCandidate);
  solo.node.Crash();
  solo.node.Restart();
  solo.Tick();
  CHECK(solo.term() == 1);  // the forgotten one
  solo.node.hold_disk = false;
  solo.Said();
  CHECK(solo.role() == Role::kLeader);
}

TEST_CASE("3.8 - a slow disk does not drive a group of one through the terms") {
  Solo solo(Conf({1}));
  solo.node.hold_disk = true;
  solo.Tick(9);
  CHECK(solo.term() == 1);
  solo.node.hold_disk = false;
  solo.Said();
  CHECK(solo.role() == Role::kLeader);
}

TEST_CASE("3.8 - a restart brings back term, vote and log, and says nothing") {
  Solo solo;
  solo.Log({1, 1, 3});
  solo.Hear(2, 3, Heartbeat{Index(2)});
  solo.node.Crash();
  solo.node.Restart();
  CHECK(solo.core().TakeOutput().committed.size() == 0);
  CHECK(solo.term() == 3);
  CHECK(solo.core().last_index() == Index(3));
  CHECK(solo.core().persisted() == Index(3));
  CHECK(solo.role() == Role::kFollower);
  CHECK(solo.core().standing().leader == kNobody);
}

TEST_CASE("9.6 - asking for pre-votes changes no term") {
  Solo solo;
  solo.Log({1, 2});
  solo.Tick(20);
  CHECK(solo.role() == Role::kPreCandidate);
  CHECK(solo.term() == 2);
  solo.core().Campaign();
  const auto asked = Only<PreVoteRequest>(solo.Said());
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].second.last_index == Index(2));
  CHECK(asked[0].second.last_term == Term(2));
}

TEST_CASE("9.6 - pre-votes of a majority start the election; refusals end the attempt") {
  Solo winner;
  winner.core().Campaign();
  winner.Hear(2, 0, PreVoteReply{Term(1), true});
  CHECK(winner.role() == Role::kCandidate);
  CHECK(winner.term() == 1);
  Solo loser;
  loser.core().Campaign();
  loser.Hear(2, 0, PreVoteReply{Term(1), false});
  loser.Hear(3, 0, PreVoteReply{Term(1), false});
  CHECK(loser.role() == Role::kFollower);
  CHECK(loser.term() == 0);
}

TEST_CASE("9.6 - a pre-vote for another term does not count") {
  Solo solo;
  solo.Log({4});
  solo.core().Campaign();
  solo.Hear(3, 4, PreVoteReply{Term(4), true});
  CHECK(solo.role() == Role::kPreCandidate);
  // One that comes from a voter in an earlier term does.
  solo.Hear(3, 2, PreVoteReply{Term(5), true});
  CHECK(solo.role() == Role::kCandidate);
}

TEST_CASE("9.6 - a pre-vote is refused while a leader is heard of, and to a poorer log") {
  struct Case {
    int silent_ticks;
    uint64_t last_index;
    bool granted;
  };
  for (const Case& c : {Case{9, 2, false}, Case{10, 2, true}, Case{10, 1, false}}) {
    Solo solo(Conf({1, 2, 3}), [](Config& config) { config.election_ticks = 10; });
    solo.Log({1, 1});
    solo.Tick(c.silent_ticks);
    const auto said =
        Only<PreVoteReply>(solo.Hear(3, 1, PreVoteRequest{Index(c.last_index), Term(1)}));
    REQUIRE(said.size() == 1);
    CHECK(said[0].second.granted == c.granted);
    CHECK(said[0].second.asked == Term(2));
    CHECK(solo.term() == 1);
    CHECK(solo.node.disk().hard_state.vote == kNobody);
  }
}

TEST_CASE("9.6 - a leader refuses pre-votes") {
  Solo solo;
  solo.Lead();
  const auto said = Only<PreVoteReply>(solo.Hear(3, 1, PreVoteRequest{Index(99), Term(1)}));
  CHECK_FALSE(said[0].second.granted);
}

TEST_CASE("9.6 - a node that was cut off comes back without disturbing the leader") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  cluster.TickAll(100);
  CHECK(cluster[3].core().standing().term == Term(1));
  cluster.Heal();
  cluster.TickAll(30);
  CHECK(cluster.Leader() == 1);
  CHECK(cluster[1].core().standing().term == Term(1));
}

TEST_CASE("4.2.3 - who hears from a leader does not let a candidate raise its term") {
  Solo solo;
  solo.Hear(2, 1, Heartbeat{});
  CHECK(solo.Hear(3, 5, VoteRequest{Index(9), Term(4)}).empty());
  CHECK(solo.term() == 1);
  // A leader's own wish is another matter (3.10).
  const auto said = Only<VoteReply>(solo.Hear(3, 5, VoteRequest{Index(9), Term(4), true}));
  REQUIRE(said.size() == 1);
  CHECK(said[0].second.granted);
}

TEST_CASE("4.2.3 - after an election time-out of silence it does") {
  Solo solo;
  solo.Hear(2, 1, Heartbeat{});
  solo.Tick(10);
  CHECK(Only<VoteReply>(solo.Hear(3, 5, VoteRequest{}))[0].second.granted);
}

TEST_CASE("6.2 - a leader without answers of a quorum steps down") {
  Solo solo(Conf({1, 2, 3, 4, 5}));
  solo.Lead();
  for (int i = 0; i < 5; ++i) {
    solo.Hear(2, 1, HeartbeatReply{});
    solo.Hear(3, 1, HeartbeatReply{});
    solo.Tick(10);
    CHECK(solo.role() == Role::kLeader);
  }
  solo.Hear(2, 1, HeartbeatReply{});
  solo.Tick(10);
  CHECK(solo.role() == Role::kFollower);
  CHECK(solo.term() == 1);
}

TEST_CASE("6.2 - a learner's answer does not keep a leader in office") {
  Solo solo(Conf({1, 2, 3}, {4, 5}));
  solo.Lead();
  solo.Tick(10);  // the votes have been signs of life
  REQUIRE(solo.role() == Role::kLeader);
  solo.Hear(4, 1, HeartbeatReply{});
  solo.Hear(5, 1, HeartbeatReply{});
  solo.Tick(10);
  CHECK(solo.role() == Role::kFollower);
}

}  // namespace matricula::raft::testing
