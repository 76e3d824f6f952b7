#include "common/replication/driver.h"

#include "test/unit/replication/small_group.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::ConfStep;
using raft::Index;
using raft::NodeId;

TEST_CASE("driver: after an error of the log nothing is acknowledged any more") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  group.At(leader).engine.write_error = {Code::kResourceExhausted, "the disk is full"};
  const auto fate = group.Propose(leader, "a=1");
  const auto read = group.Read(leader);
  REQUIRE(group[leader].Begin());
  const auto queued = group.Propose(leader, "b=1");
  CHECK(group[leader].Finish().code() == Code::kResourceExhausted);
  CHECK(group[leader].failure().code() == Code::kResourceExhausted);
  CHECK(fate->code() == Code::kOutcomeUnknown);
  CHECK(queued->code() == Code::kUnavailable);
  CHECK(read->code() == Code::kUnavailable);
  CHECK(group.Propose(leader, "c=1")->code() == Code::kUnavailable);
  CHECK(group.Read(leader)->code() == Code::kUnavailable);
  CHECK(group.Change(leader, ConfStep::Op::kRemove, 1)->code() == Code::kUnavailable);
  CHECK(group[leader].TransferLeadership(NodeId(1)) == raft::TransferOutcome::kNotLeader);
  group.At(leader).engine.write_error = {};
  group[leader].Tick();
  group[leader].PeerUnreachable(NodeId(1));
  CHECK_FALSE(group[leader].Begin());
  CHECK_FALSE(group[leader].Finish().ok());
}

TEST_CASE("driver: an error while applying stops the node before it answers") {
  SmallGroup group(1);
  group.ElectLeader();
  const auto fate = group.Propose(1, "a=1");
  group.At(1).engine.writes_left = 1;  // the log's write succeeds, the state machine's fails
  group.Run();
  CHECK(fate->code() == Code::kOutcomeUnknown);
  CHECK_FALSE(group[1].failure().ok());
  group.At(1).engine.writes_left = -1;
  group.Stop(1);
  REQUIRE(group.Start(1).ok());
  group.ElectLeader();
  CHECK(group.At(1).machine->Contents().at("a") == "1");
}

TEST_CASE("driver: an entry that cannot be read stops the node") {
  SmallGroup group(3, [](Driver::Options& options) { options.raft.max_tail_bytes = 1; });
  const int away = group.ElectLeader() % 3 + 1;
  group.cut = {away};
  const int leader = group.ElectLeader();
  for (int i = 0; i < 10; ++i) {
    group.Propose(leader, "k=" + std::to_string(i));
    group.Run();
  }
  group.At(leader).engine.read_error = {Code::kUnknown, "the disk does not answer"};
  group.cut = {};
  group.Tick(5);
  CHECK(group[leader].failure().code() == Code::kUnknown);
}

TEST_CASE("driver: what does not fit together is refused at the start") {
  SmallGroup group(1);
  group.ElectLeader();
  for (int i = 0; i < 100; ++i) {
    group.Propose(1, "k=" + std::to_string(i));
    group.Run();
  }
  group.Stop(1);
  FaultyEngine& engine = group.At(1).engine;
  SECTION("a state whose log is gone") {
    engine.Delete("rd");
    CHECK(group.Start(1).code() == Code::kDataLoss);
  }
  SECTION("a log whose state is gone") {
    engine.Delete("mnote");
    CHECK(group.Start(1).code() == Code::kDataLoss);
  }
  SECTION("a note that is damaged") {
    engine.Put("mnote", "nonsense");
    CHECK(group.Start(1).code() == Code::kDataLoss);
  }
  SECTION("a disk that does not take the new incarnation") {
    engine.write_error = {Code::kUnknown, "the disk does not answer"};
    CHECK(group.Start(1).code() == Code::kUnknown);
  }
  SECTION("a wrong configuration") {
    Driver::Options options = group.OptionsOf(1);
    options.raft.id = raft::kNobody;
    FaultyEngine empty;
    auto machine = MapMachine::Open(empty);
    auto log = EngineLogStore::Open(empty);
    CHECK(Driver::Open(options, **log, group.At(1), **machine).status().code() ==
          Code::kInvalidArgument);
  }
}

TEST_CASE("driver: a node whose disk lost what it had acknowledged stops when it learns of it") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const int member = leader % 3 + 1;
  raft::Message heartbeat{NodeId(leader), NodeId(member), group[leader].core().standing().term,
                          raft::Heartbeat{Index(1'000), 0}};
  const auto fate = group.Propose(member, "a=1");
  group[member].Receive(heartbeat);
  CHECK(group[member].failure().code() == Code::kDataLoss);
  CHECK(fate->code() == Code::kUnavailable);
  group[member].Receive(heartbeat);
}

}  // namespace
}  // namespace matricula::replication
