// Clients: linearizable reads (thesis §6.4), and the fate of proposals, own and forwarded.
#include <catch2/catch.hpp>

#include "test/paper/solo.h"

namespace matricula::raft::testing {
namespace {

constexpr uint64_t kLife = 1;  // Solo's incarnation

void LeadFirmly(Solo& solo) {
  solo.Lead();
  solo.Ack(2, solo.core().last_index());
  solo.Ack(3, solo.core().last_index());
}

std::vector<ReadAnswer> Answers(Solo& solo) { return std::exchange(solo.node.reads, {}); }

}  // namespace

TEST_CASE("6.4 - a read waits until the leader has committed in its own term") {
  Solo solo;
  solo.Log({1});
  solo.Lead();
  const ReadTicket read = solo.core().ReadIndex();
  REQUIRE(read.ticket.has_value());
  solo.Said();
  solo.Hear(2, 2, HeartbeatReply{1});
  solo.Hear(3, 2, HeartbeatReply{1});
  CHECK(Answers(solo).empty());
  solo.Ack(2, Index(2));
  const auto answers = Answers(solo);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].confirmed);
  CHECK(answers[0].ticket == *read.ticket);
  CHECK(answers[0].index == Index(2));
}

TEST_CASE("6.4 - a read is confirmed by a quorum that answers after it was asked") {
  Solo solo(Conf({1, 2, 3, 4, 5}));
  solo.Lead();
  for (const uint64_t id : {2, 3, 4, 5}) solo.Ack(id, Index(1));
  (void)solo.core().ReadIndex();
  const auto beats = Only<Heartbeat>(solo.Said());
  REQUIRE(beats.size() == 2);  // with the leader a quorum of five
  CHECK(beats[0].second.round == 1);
  solo.Hear(2, 1, HeartbeatReply{1});
  solo.Hear(2, 1, HeartbeatReply{1});
  CHECK(Answers(solo).empty());
  solo.Hear(3, 1, HeartbeatReply{1});
  CHECK(Answers(solo).size() == 1);

  // Answers to an earlier round say nothing about a later read.
  (void)solo.core().ReadIndex();
  solo.Said();
  for (const uint64_t id : {2, 3, 4, 5}) solo.Hear(id, 1, HeartbeatReply{1});
  CHECK(Answers(solo).empty());
  solo.Hear(4, 1, HeartbeatReply{2});
  solo.Hear(5, 1, HeartbeatReply{2});
  CHECK(Answers(solo).size() == 1);
}

TEST_CASE("6.4 - reads between two outputs share one round") {
  Solo solo;
  LeadFirmly(solo);
  for (int i = 0; i < 100; ++i) REQUIRE(solo.core().ReadIndex().ticket.has_value());
  CHECK(Only<Heartbeat>(solo.Said()).size() == 1);
  solo.Hear(2, 1, HeartbeatReply{1});
  CHECK(Answers(solo).size() == 100);
}

TEST_CASE("6.4 - the answer to a later round confirms all reads before it") {
  Solo solo;
  LeadFirmly(solo);
  for (int i = 0; i < 3; ++i) {
    (void)solo.core().ReadIndex();
    solo.Said();
  }
  solo.Hear(2, 1, HeartbeatReply{3});
  CHECK(Answers(solo).size() == 3);
}

TEST_CASE("6.4 - an answer to a round that has not begun is not believed") {
  Solo solo;
  LeadFirmly(solo);
  solo.Hear(2, 1, HeartbeatReply{7});
  solo.Hear(3, 1, HeartbeatReply{7});
  (void)solo.core().ReadIndex();
  solo.Said();
  CHECK(Answers(solo).empty());
}

TEST_CASE("6.4 - the index of a read covers all that was committed when it came") {
  Solo solo;
  LeadFirmly(solo);
  solo.Propose("a");
  solo.Said();
  solo.Ack(2, Index(2));
  (void)solo.core().ReadIndex();
  solo.Said();
  solo.Propose("b");
  solo.Said();
  solo.Ack(2, Index(3));
  solo.Hear(2, 1, HeartbeatReply{1});
  const auto answers = Answers(solo);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].index == Index(2));
}

TEST_CASE("6.4 - a leader that lost its office without knowing confirms nothing") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(1);
  cluster.Elect(2);
  cluster.Propose(2, "new");
  REQUIRE(cluster[1].core().standing().role == Role::kLeader);
  (void)cluster[1].core().ReadIndex();
  cluster.Settle();
  cluster.Heal();
  cluster.TickAll(3);
  REQUIRE(cluster[1].reads.size() == 1);
  CHECK_FALSE(cluster[1].reads[0].confirmed);
}

TEST_CASE("6.4 - a group of one confirms at once") {
  Solo solo(Conf({1}));
  solo.Tick();
  solo.node.reads.clear();
  (void)solo.core().ReadIndex();
  CHECK(solo.Said().empty());
  REQUIRE(solo.node.reads.size() == 1);
  CHECK(solo.node.reads[0].confirmed);
}

TEST_CASE("6.4 - a follower asks the leader, and answers only for what it asked") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Propose(1, "a");
  const ReadTicket read = cluster[3].core().ReadIndex();
  cluster.Settle();
  REQUIRE(cluster[3].reads.size() == 1);
  CHECK(cluster[3].reads[0].confirmed);
  CHECK(cluster[3].reads[0].ticket == *read.ticket);
  CHECK(cluster[3].reads[0].index == Index(2));
}

TEST_CASE("6.4 - an answer that comes late, twice or to an earlier life has no effect") {
  Solo solo;
  solo.Hear(2, 1, Heartbeat{});
  const Ticket ticket = *solo.core().ReadIndex().ticket;
  CHECK(ticket == Ticket{NodeId(1), kLife, ticket.number});
  solo.Said();
  Ticket earlier = ticket;
  earlier.incarnation = kLife - 1;
  solo.Hear(2, 1, ReadReply{earlier, true, Index(3)});
  CHECK(Answers(solo).empty());
  solo.Hear(2, 1, ReadReply{ticket, true, Index(5)});
  solo.Hear(2, 1, ReadReply{ticket, true, Index(3)});
  const auto answers = Answers(solo);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].index == Index(5));
}

TEST_CASE("6.4 - tickets are not used again after a restart") {
  Solo solo;
  solo.Hear(2, 1, Heartbeat{});
  const Ticket before = *solo.core().ReadIndex().ticket;
  solo.Said();
  solo.node.Crash();
  solo.node.Restart();
  solo.Hear(2, 1, Heartbeat{});
  const Ticket after = *solo.core().ReadIndex().ticket;
  CHECK(before < after);
  solo.Said();
  solo.Hear(2, 1, ReadReply{before, true, Index(9)});
  CHECK(Answers(solo).empty());
}

TEST_CASE("6.4 - a forwarded read is given up after an election time-out, or with the leader") {
  Solo waiting;
  waiting.Hear(2, 1, Heartbeat{});
  (void)waiting.core().ReadIndex();
  for (int i = 0; i < 9; ++i) {
    waiting.Tick();
    waiting.Hear(2, 1, Heartbeat{});
  }
  CHECK(waiting.node.reads.empty());
  waiting.Tick();
  REQUIRE(waiting.node.reads.size() == 1);
  CHECK_FALSE(waiting.node.reads[0].confirmed);

  Solo deserted;
  deserted.Hear(2, 1, Heartbeat{});
  (void)deserted.core().ReadIndex();
  deserted.Hear(3, 2, Heartbeat{});
  REQUIRE(deserted.node.reads.size() == 1);
  CHECK_FALSE(deserted.node.reads[0].confirmed);
}

TEST_CASE("6.4 - reads are refused without a leader, and beyond the limit") {
  Solo solo(Conf({1, 2, 3}), [](Config& config) { config.max_pending_reads = 2; });
  CHECK_FALSE(solo.core().ReadIndex().ticket.has_value());
  solo.Hear(2, 1, Heartbeat{});
  CHECK(solo.core().ReadIndex().ticket.has_value());
  CHECK(solo.core().ReadIndex().ticket.has_value());
  CHECK_FALSE(solo.core().ReadIndex().ticket.has_value());

  Solo leader(Conf({1, 2, 3}), [](Config& config) { config.max_pending_reads = 1; });
  LeadFirmly(leader);
  CHECK(leader.core().ReadIndex().ticket.has_value());
  CHECK_FALSE(leader.core().ReadIndex().ticket.has_value());
  const auto said = Only<ReadReply>(leader.Hear(2, 1, ReadRequest{{NodeId(2), 1, 1}}));
  REQUIRE(said.size() == 1);
  CHECK_FALSE(said[0].second.confirmed);
}

TEST_CASE("6.2 - proposals: refused without a leader, forwarded by a follower") {
  Solo solo;
  CHECK(solo.Propose("a").outcome == ProposeOutcome::kNoLeader);
  solo.Hear(2, 1, Heartbeat{});
  const Proposed proposed = solo.Propose("a");
  CHECK(proposed.outcome == ProposeOutcome::kForwarded);
  CHECK(proposed.term == Term(1));
  const auto sent = Only<ProposeRequest>(solo.Said());
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].first == 2);
  CHECK(sent[0].second.ticket == proposed.ticket);
  solo.Hear(2, 1, ProposeReply{proposed.ticket, true, Index(4)});
  REQUIRE(solo.node.proposals.size() == 1);
  CHECK(solo.node.proposals[0].appended);
  CHECK(solo.node.proposals[0].first_index == Index(4));
  CHECK(solo.node.proposals[0].term == Term(1));
  // Not to an earlier life, and not to another node.
  solo.Hear(2, 1, ProposeReply{{NodeId(1), kLife - 1, 1}, true, Index(4)});
  solo.Hear(2, 1, ProposeReply{{NodeId(3), kLife, 1}, true, Index(4)});
  CHECK(solo.node.proposals.size() == 1);
}

TEST_CASE("6.3 - a forwarded proposal is taken once, and in its own term only") {
  Solo solo;
  LeadFirmly(solo);
  const ProposeRequest request{{NodeId(2), 5, 1}, {Payload("a"), Payload("b")}};
  const auto first = Only<ProposeReply>(solo.Hear(2, 1, request));
  REQUIRE(first.size() == 1);
  CHECK(first[0].second.appended);
  CHECK(first[0].second.first_index == Index(2));
  CHECK(Only<ProposeReply>(solo.Hear(2, 1, request)).empty());
  CHECK(solo.core().last_index() == Index(3));

  solo.Hear(3, 2, TermNotice{});
  solo.Lead();
  const Index before = solo.core().last_index();
  solo.Hear(2, 1, request);  // of term 1
  CHECK(solo.core().last_index() == before);
}

TEST_CASE("6.3 - who led this term and stepped down keeps silent about proposals") {
  Solo solo;
  LeadFirmly(solo);
  solo.Tick(40);
  REQUIRE(solo.role() != Role::kLeader);
  REQUIRE(solo.term() == 1);
  CHECK(solo.Hear(2, 1, ProposeRequest{{NodeId(2), 1, 1}, {Payload("a")}}).empty());
}

TEST_CASE("proposals are refused while too many bytes are uncommitted, and taken again later") {
  Solo solo(Conf({1, 2, 3}), [](Config& config) { config.max_uncommitted_bytes = 200; });
  LeadFirmly(solo);
  const std::string command(68, 'x');  // 100 bytes with its charge
  CHECK(solo.Propose(command).outcome == ProposeOutcome::kAppended);
  CHECK(solo.Propose(command).outcome == ProposeOutcome::kAppended);
  CHECK(solo.Propose(command).outcome == ProposeOutcome::kOverloaded);
  const auto said =
      Only<ProposeReply>(solo.Hear(2, 1, ProposeRequest{{NodeId(2), 1, 1}, {Payload(command)}}));
  CHECK_FALSE(said[0].second.appended);
  solo.Said();
  solo.Ack(2, Index(2));
  CHECK(solo.Propose(command).outcome == ProposeOutcome::kAppended);
  CHECK(solo.Propose(command).outcome == ProposeOutcome::kOverloaded);
}

TEST_CASE("a batch larger than the limit is taken when nothing else waits") {
  Solo solo(Conf({1, 2, 3}), [](Config& config) { config.max_uncommitted_bytes = 200; });
  LeadFirmly(solo);
  CHECK(solo.Propose(std::string(1000, 'x')).outcome == ProposeOutcome::kAppended);
  CHECK(solo.Propose("x").outcome == ProposeOutcome::kOverloaded);
}

TEST_CASE("a proposal larger than an entry may be is refused, and so is its whole batch") {
  Solo solo(Conf({1, 2, 3}), [](Config& config) { config.max_entry_bytes = 100; });
  LeadFirmly(solo);
  CHECK(solo.core().Propose({Payload("a"), Payload(std::string(69, 'x'))}).outcome ==
        ProposeOutcome::kTooLarge);
  CHECK(solo.core().last_index() == Index(1));
  CHECK(solo.Propose(std::string(68, 'x')).outcome == ProposeOutcome::kAppended);
  // Not even sent on, and configurations' contexts are no exception.
  Solo follower(Conf({1, 2, 3}), [](Config& config) { config.max_entry_bytes = 100; });
  follower.Hear(2, 1, Heartbeat{});
  CHECK(follower.Propose(std::string(69, 'x')).outcome == ProposeOutcome::kTooLarge);
  CHECK(follower.Said().empty());
  solo.Said();
  solo.Ack(2, solo.core().last_index());
  ConfChange change = AddLearner(4);
  change.context = std::string(69, 'x');
  CHECK(solo.core().ProposeConfChange(change).outcome == ProposeOutcome::kTooLarge);
}

TEST_CASE("the fate of a proposal is sealed by an applied entry of a later term") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(1);
  const Proposed lost = cluster.Propose(1, "lost");
  REQUIRE(lost.outcome == ProposeOutcome::kAppended);
  cluster.Elect(2);
  cluster.Propose(2, "won");
  cluster.Heal();
  cluster.TickAll(3);
  const auto& applied = cluster[1].applied_entries;
  REQUIRE_FALSE(applied.empty());
  CHECK(applied.back().term > lost.term);
  CHECK(cluster[1].state().commands == std::vector<std::string>{"won"});
}

}  // namespace matricula::raft::testing
