// Log replication and commitment: thesis §3.5, §3.6.2, §3.7, §10.2.
#include <catch2/catch.hpp>

#include "test/paper/solo.h"

namespace matricula::raft::testing {

TEST_CASE("3.5 - a leader appends a command and sends it to everybody") {
  Solo solo;
  solo.Lead();
  solo.Ack(2, Index(1));
  solo.Ack(3, Index(1));
  solo.Propose("a");
  const auto sent = Only<AppendRequest>(solo.Said());
  REQUIRE(sent.size() == 2);
  for (const auto& [to, request] : sent) {
    CHECK(request.prev_index == Index(1));
    CHECK(request.prev_term == Term(1));
    REQUIRE(request.entries.size() == 1);
    CHECK(request.entries[0] == Command(2, 1, "a"));
    CHECK(request.commit == Index(1));
  }
}

TEST_CASE("3.5 - an entry is committed when a majority has it, and then applied") {
  struct Case {
    uint64_t voters;
    uint64_t acks;
    bool committed;
  };
  for (const Case& c :
       {Case{1, 0, true}, Case{3, 0, false}, Case{3, 1, true}, Case{3, 2, true}, Case{5, 1, false},
        Case{5, 2, true}, Case{5, 3, true}, Case{4, 1, false}, Case{4, 2, true}}) {
    std::vector<uint64_t> voters;
    for (uint64_t id = 1; id <= c.voters; ++id) voters.push_back(id);
    Solo solo(Conf(voters));
    solo.Lead();
    for (uint64_t id = 2; id <= c.voters; ++id) solo.Ack(id, Index(1));
    solo.Propose("a");
    solo.Said();
    for (uint64_t id = 2; id < 2 + c.acks; ++id) solo.Ack(id, Index(2));
    INFO(c.acks << " of " << c.voters);
    CHECK(solo.core().commit() == Index(c.committed ? 2 : 1));
    CHECK(solo.node.state().commands.size() == (c.committed ? 1 : 0));
  }
}

TEST_CASE("3.5 - acknowledgements of learners and strangers do not count") {
  Solo solo(Conf({1, 2, 3}, {4, 5}));
  solo.Lead();
  solo.Ack(4, Index(1));
  solo.Ack(5, Index(1));
  solo.Ack(9, Index(1));
  CHECK(solo.core().commit() == Index(0));
}

TEST_CASE("4.1 - a member that is being removed does not count any more") {
  Solo solo;
  solo.Lead();
  solo.Ack(2, Index(1));
  solo.Ack(3, Index(1));
  (void)solo.core().ProposeConfChange(Remove(3));
  solo.Said();
  solo.Ack(3, Index(2));
  CHECK(solo.core().commit() == Index(1));
  solo.Ack(2, Index(2));
  CHECK(solo.core().commit() == Index(2));
}

TEST_CASE("3.5 - the same acknowledgement twice is one") {
  Solo solo(Conf({1, 2, 3, 4, 5}));
  solo.Lead();
  solo.Ack(2, Index(1));
  solo.Ack(2, Index(1));
  CHECK(solo.core().commit() == Index(0));
}

TEST_CASE("3.5 - committing an entry commits all before it, those of earlier leaders too") {
  for (const auto& log : std::vector<std::vector<uint64_t>>{{1}, {1, 1}, {1, 2}, {1, 1, 2, 2}}) {
    Solo solo;
    solo.Log(log);
    solo.Lead();
    REQUIRE(solo.core().commit() == Index(0));
    solo.Ack(2, Index(log.size() + 1));
    CHECK(solo.core().commit() == Index(log.size() + 1));
    CHECK(solo.node.state().commands.size() == log.size());
  }
}

TEST_CASE("3.5 - followers learn what is committed, and apply it in the log's order") {
  Solo solo;
  solo.Hear(2, 1,
            AppendRequest{Index(0),
                          Term(0),
                          Index(0),
                          {Command(1, 1, "a"), Command(2, 1, "b"), Command(3, 1, "c")}});
  CHECK(solo.node.state().commands.empty());
  solo.Hear(2, 1, AppendRequest{Index(3), Term(1), Index(2), {}});
  CHECK(solo.node.state().commands == std::vector<std::string>{"a", "b"});
  solo.Hear(2, 1, Heartbeat{Index(3)});
  CHECK(solo.node.state().commands == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("3.5 - a follower's commit index goes no further than the message proves") {
  struct Case {
    uint64_t entries;
    uint64_t leader_commit;
    uint64_t expected;
  };
  for (const Case& c :
       {Case{0, 1, 1}, Case{0, 3, 1}, Case{1, 3, 2}, Case{2, 3, 3}, Case{2, 9, 3}}) {
    Solo solo;
    solo.Log({1, 1, 1});
    AppendRequest request{Index(1), Term(1), Index(c.leader_commit), {}};
    for (uint64_t i = 0; i < c.entries; ++i)
      request.entries.push_back(Command(2 + i, 1, "e" + std::to_string(2 + i) + ".1"));
    solo.Hear(2, 1, request);
    CHECK(solo.core().commit() == Index(c.expected));
  }
}

TEST_CASE("3.5 - the consistency check: an append is taken only after a matching entry") {
  struct Case {
    uint64_t prev_index;
    uint64_t prev_term;
    bool taken;
  };
  for (const Case& c :
       {Case{0, 0, true}, Case{1, 1, true}, Case{2, 2, true}, Case{3, 2, true}, Case{3, 1, false},
        Case{4, 2, false}, Case{2, 1, false}, Case{9, 9, false}}) {
    Solo solo;
    solo.Log({1, 2, 2});
    const auto said = Only<AppendReply>(
        solo.Hear(3, 9, AppendRequest{Index(c.prev_index), Term(c.prev_term), Index(0), {}}));
    REQUIRE(said.size() == 1);
    CHECK(said[0].second.taken == c.taken);
    if (c.taken) CHECK(said[0].second.match == Index(c.prev_index));
    if (!c.taken) CHECK(said[0].second.rejected == Index(c.prev_index));
  }
}

TEST_CASE("3.5 - only a conflict truncates; entries that match stay, with all after them") {
  struct Case {
    std::vector<uint64_t> log;
    uint64_t prev_index;
    uint64_t prev_term;
    std::vector<uint64_t> sent;  // terms of the entries after prev_index
    std::vector<uint64_t> expected;
  };
  const Case cases[] = {
      {{1, 2}, 2, 2, {3}, {1, 2, 3}},   {{1, 2}, 1, 1, {3, 4}, {1, 3, 4}},
      {{1, 2}, 0, 0, {3, 4}, {3, 4}},   {{1, 2}, 0, 0, {1, 2}, {1, 2}},
      {{1, 2}, 0, 0, {1}, {1, 2}},      {{1, 2, 2}, 0, 0, {1, 2}, {1, 2, 2}},
      {{1, 2, 2}, 1, 1, {3}, {1, 3}},   {{1, 2, 2, 2}, 1, 1, {2, 3}, {1, 2, 3}},
      {{1, 2, 2}, 1, 1, {}, {1, 2, 2}},
  };
  for (const Case& c : cases) {
    Solo solo;
    solo.Log(c.log);
    AppendRequest request{Index(c.prev_index), Term(c.prev_term), Index(0), {}};
    for (size_t i = 0; i < c.sent.size(); ++i) {
      request.entries.push_back(Command(c.prev_index + 1 + i, c.sent[i]));
    }
    solo.Hear(3, 9, request);
    CHECK(solo.LogTerms() == c.expected);
  }
}

TEST_CASE("3.5 - an append that was overtaken takes nothing back") {
  Solo solo;
  const AppendRequest early{Index(0), Term(0), Index(0), {Command(1, 1)}};
  const AppendRequest late{Index(1), Term(1), Index(0), {Command(2, 1), Command(3, 1)}};
  solo.Hear(2, 1, early);
  solo.Hear(2, 1, late);
  const auto said = Only<AppendReply>(solo.Hear(2, 1, early));
  CHECK(said[0].second.match == Index(1));
  CHECK(solo.LogTerms() == std::vector<uint64_t>{1, 1, 1});
}

TEST_CASE("3.5 - an append from before the commit index is answered with the commit index") {
  Solo solo;
  solo.Log({1, 1, 1});
  solo.Hear(2, 1, Heartbeat{Index(2)});
  const auto said = Only<AppendReply>(
      solo.Hear(2, 1, AppendRequest{Index(0), Term(0), Index(0), {Command(1, 1)}}));
  REQUIRE(said.size() == 1);
  CHECK(said[0].second.taken);
  CHECK(said[0].second.match == Index(2));
}

TEST_CASE("3.5 - figure 3.6: a new leader brings every kind of log in line with its own") {
  const std::vector<uint64_t> leader_log{1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const std::vector<std::vector<uint64_t>> followers{
      {1, 1, 1, 4, 4, 5, 5, 6, 6},
      {1, 1, 1, 4},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
      {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
      {1, 1, 1, 4, 4, 4, 4},
      {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3},
  };
  for (const auto& log : followers) {
    Cluster cluster(3);
    const auto fill = [&](uint64_t id, const std::vector<uint64_t>& terms) {
      MemoryLog& disk = cluster[id].disk();
      for (size_t i = 0; i < terms.size(); ++i) disk.entries.push_back(Command(i + 1, terms[i]));
      disk.hard_state.term = Term(7);
      cluster[id].Crash();
      cluster[id].Restart();
    };
    fill(1, leader_log);
    fill(2, log);
    fill(3, {});
    cluster.Elect(1);
    cluster.TickAll(2);
    std::vector<uint64_t> expected = leader_log;
    expected.push_back(cluster[1].core().standing().term.value());
    for (const uint64_t id : {2, 3}) {
      std::vector<uint64_t> terms;
      for (const Entry& entry : cluster[id].disk().entries) terms.push_back(entry.term.value());
      CHECK(terms == expected);
    }
  }
}

TEST_CASE("3.5 - refusals skip whole terms: as many probes as terms in conflict, at most") {
  Cluster cluster(3);
  const auto fill = [&](uint64_t id, const std::vector<std::pair<uint64_t, int>>& runs) {
    MemoryLog& disk = cluster[id].disk();
    for (const auto& [term, length] : runs) {
      for (int i = 0; i < length; ++i) {
        disk.entries.push_back(Command(disk.entries.size() + 1, term));
      }
    }
    disk.hard_state.term = Term(9);
    cluster[id].Crash();
    cluster[id].Restart();
  };
  fill(1, {{1, 10}, {4, 200}, {7, 200}});
  fill(2, {{1, 10}, {2, 150}, {3, 150}, {5, 150}});
  fill(3, {});
  cluster.Isolate(2);
  cluster.Elect(1);
  cluster.Heal();
  int refusals = 0;
  cluster.lose = [&](const Message& message) {
    const auto* reply = As<AppendReply>(message);
    if (reply != nullptr && message.from == NodeId(2) && !reply->taken) ++refusals;
    return false;
  };
  cluster.TickAll(5);
  CHECK(cluster[2].disk().entries == cluster[1].disk().entries);
  CHECK(refusals <= 3);
}

TEST_CASE("3.5 - a leader sends again what was lost, for as long as it takes") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Cut(1, 3);
  for (int i = 0; i < 5; ++i) cluster.Propose(1, "c");
  cluster.TickAll(5);
  CHECK(cluster[3].state().commands.empty());
  cluster.Heal();
  cluster.TickAll(3);
  CHECK(cluster[3].state().commands.size() == 5);
}

TEST_CASE("3.5 - a leader never overwrites or deletes entries of its own log") {
  Solo solo;
  solo.Log({1, 1, 1});
  solo.Lead();
  solo.Propose("a");
  solo.Said();
  const auto before = solo.node.disk().entries;
  solo.Hear(2, solo.term(), AppendReply{false, Index(0), Index(3), Index(0), Term(0)});
  solo.Hear(3, solo.term() - 1, AppendRequest{Index(0), Term(0), Index(0), {Command(1, 1, "z")}});
  CHECK(solo.node.disk().entries == before);
}

TEST_CASE("3.5 - an entry is durable before a follower acknowledges it") {
  Solo solo;
  solo.Hear(2, 1, Heartbeat{});
  solo.node.hold_disk = true;
  const auto said = solo.Hear(2, 1, AppendRequest{Index(0), Term(0), Index(0), {Command(1, 1)}});
  CHECK(Only<AppendReply>(said).empty());
  solo.node.hold_disk = false;
  CHECK(Only<AppendReply>(solo.Said())[0].second.match == Index(1));
  CHECK(solo.LogTerms() == std::vector<uint64_t>{1});
}

TEST_CASE("3.6.2 - figure 3.7: an entry of an earlier term is not committed by counting") {
  Solo solo(Conf({1, 2, 3, 4, 5}));
  solo.Log({1, 2});
  solo.Lead();
  REQUIRE(solo.term() == 3);
  solo.Ack(2, Index(2));
  solo.Ack(3, Index(2));
  solo.Ack(4, Index(2));
  CHECK(solo.core().commit() == Index(0));
  solo.Ack(2, Index(3));
  CHECK(solo.core().commit() == Index(0));
  solo.Ack(3, Index(3));
  CHECK(solo.core().commit() == Index(3));
}

TEST_CASE("3.6.2 - a new leader opens its term with an entry of its own") {
  Solo solo;
  solo.Log({1});
  solo.Lead();
  REQUIRE(solo.core().last_index() == Index(2));
  CHECK(solo.node.disk().entries[1] == Entry{Index(2), Term(2), EntryType::kEmpty, {}});
}

TEST_CASE("3.6.2 - the first leader of a group opens with the configuration") {
  Solo solo;
  solo.Lead();
  REQUIRE(solo.node.disk().entries.size() == 1);
  const Entry& entry = solo.node.disk().entries[0];
  REQUIRE(entry.type == EntryType::kConf);
  CHECK(DecodeConfEntry(entry.payload.view())->conf == Conf({1, 2, 3}));
}

TEST_CASE("3.7 - repeated messages change nothing") {
  Solo solo;
  const AppendRequest request{Index(0), Term(0), Index(1), {Command(1, 1), Command(2, 1)}};
  const auto first = Only<AppendReply>(solo.Hear(2, 1, request));
  const auto second = Only<AppendReply>(
      solo.Hear(2, 1, AppendRequest{Index(1), Term(1), Index(1), {Command(2, 1)}}));
  CHECK(first[0].second.match == second[0].second.match);
  CHECK(solo.LogTerms().size() == 2);
  CHECK(solo.node.state().commands.size() == 1);
}

TEST_CASE("10.2.1 - a leader sends before its own disk has the entry") {
  Solo solo;
  solo.Lead();
  solo.Ack(2, Index(1));
  solo.Ack(3, Index(1));
  solo.node.hold_disk = true;
  solo.Propose("a");
  CHECK(Only<AppendRequest>(solo.Said()).size() == 2);
  CHECK(solo.node.disk().entries.size() == 1);
}

TEST_CASE("10.2.1 - the leader's disk is one vote: without it, with it, and not before") {
  Solo solo;
  solo.Lead();
  solo.Ack(2, Index(1));
  solo.Ack(3, Index(1));
  solo.node.hold_disk = true;
  solo.Propose("a");
  solo.Said();
  solo.Ack(2, Index(2));
  CHECK(solo.core().commit() == Index(1));  // one disk of three
  SECTION("two followers are a majority") {
    solo.Ack(3, Index(2));
    CHECK(solo.core().commit() == Index(2));
  }
  SECTION("the own disk and one follower are") {
    solo.node.hold_disk = false;
    solo.Said();
    CHECK(solo.core().commit() == Index(2));
  }
}

TEST_CASE("10.2.1 - a group of one commits when its disk has the entry") {
  Solo solo(Conf({1}));
  solo.Tick();
  REQUIRE(solo.role() == Role::kLeader);
  solo.node.hold_disk = true;
  solo.Propose("a");
  solo.Said();
  CHECK(solo.core().commit() == Index(1));
  solo.node.hold_disk = false;
  solo.Said();
  CHECK(solo.core().commit() == Index(2));
  CHECK(solo.node.state().commands.size() == 1);
}

TEST_CASE("10.2.2 - appends are pipelined, up to the window in messages") {
  Solo solo(Conf({1, 2}), [](Config& config) { config.max_inflight_messages = 3; });
  solo.Lead();
  solo.Ack(2, Index(1));
  std::vector<Index> sent;
  for (int i = 0; i < 6; ++i) {
    solo.Propose("c");
    for (const auto& [to, request] : Only<AppendRequest>(solo.Said())) {
      sent.push_back(request.prev_index);
    }
  }
  CHECK(sent == std::vector<Index>{Index(1), Index(2), Index(3)});
  solo.Ack(2, Index(2));
  CHECK(solo.core().commit() == Index(2));
  solo.Propose("c");
  const auto next = Only<AppendRequest>(solo.Said());
  CHECK(next.empty());  // the free place went to what was waiting, with the acknowledgement
  CHECK(solo.core().last_index() == Index(8));
}

TEST_CASE("10.2.2 - and in bytes") {
  Solo solo(Conf({1, 2}), [](Config& config) { config.max_inflight_bytes = 300; });
  solo.Lead();
  solo.Ack(2, Index(1));
  size_t sent = 0;
  for (int i = 0; i < 10; ++i) {
    solo.Propose(std::string(68, 'x'));  // 100 bytes each
    for (const auto& [to, request] : Only<AppendRequest>(solo.Said())) {
      sent += request.entries.size();
    }
  }
  CHECK(sent == 3);
}

TEST_CASE("10.2.2 - proposals between two outputs share one append and one write") {
  Solo solo(Conf({1, 2}));
  solo.Lead();
  solo.Ack(2, Index(1));
  for (int i = 0; i < 20; ++i) solo.Propose("c");
  const Output output = solo.core().TakeOutput();
  REQUIRE(output.early_messages.size() == 1);
  CHECK(As<AppendRequest>(output.early_messages[0])->entries.size() == 20);
  CHECK(output.entries.size() == 20);
}

TEST_CASE("10.2.2 - an append holds no more than its limit, but always one entry") {
  Solo solo(Conf({1, 2}), [](Config& config) { config.max_append_bytes = 250; });
  solo.Lead();
  solo.Ack(2, Index(1));
  for (const size_t size : {68, 68, 68, 1000, 68}) solo.Propose(std::string(size, 'x'));
  std::vector<size_t> sizes;
  for (const auto& [to, request] : Only<AppendRequest>(solo.Said())) {
    sizes.push_back(request.entries.size());
  }
  CHECK(sizes == std::vector<size_t>{2, 1, 1, 1});
}

TEST_CASE("10.2.2 - a lost append is noticed by the next refusal, and sent again from there") {
  Solo solo(Conf({1, 2}));
  solo.Lead();
  solo.Ack(2, Index(1));
  solo.Propose("a");
  solo.Said();  // lost
  solo.Propose("b");
  solo.Said();
  const auto again = Only<AppendRequest>(
      solo.Hear(2, 1, AppendReply{false, Index(0), Index(2), Index(1), Term(1)}));
  REQUIRE(again.size() == 1);
  CHECK(again[0].second.prev_index == Index(1));
  CHECK(again[0].second.entries.size() == 2);
}

TEST_CASE("10.2.2 - the last append lost is noticed by heartbeats") {
  Cluster cluster(2);
  cluster.Elect(1);
  cluster.lose = [](const Message& message) { return As<AppendRequest>(message) != nullptr; };
  cluster.Propose(1, "a");
  cluster.lose = {};
  CHECK(cluster[2].state().commands.empty());
  cluster.TickAll(3);
  CHECK(cluster[2].state().commands.size() == 1);
}

}  // namespace matricula::raft::testing
