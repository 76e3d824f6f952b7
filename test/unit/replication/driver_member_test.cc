#include "common/replication/driver.h"

#include "test/unit/replication/small_group.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::ConfStep;
using raft::NodeId;

TEST_CASE("driver: members come and go, and the state machine hears of it") {
  SmallGroup group(1);
  group.ElectLeader();
  group.first_conf = {};
  group.Add(2);
  REQUIRE(group.Start(2).ok());
  const auto added = group.Change(1, ConfStep::Op::kAddVoter, 2);
  group.Run();
  group.Tick(10);
  REQUIRE(added->ok());
  CHECK(TextOf(added) == "conf");
  CHECK(group.At(2).machine->applied_commands.back() == "address of 2");
  CHECK(group[2].applied().conf.voters == std::vector{NodeId(1), NodeId(2)});
  CHECK(group.Change(2, ConfStep::Op::kRemove, 1)->code() == Code::kFailedPrecondition);
  CHECK(group.Change(1, ConfStep::Op::kRemove, 9)->code() == Code::kInvalidArgument);
  const auto pending = group.Change(1, ConfStep::Op::kRemove, 2);
  CHECK(group.Change(1, ConfStep::Op::kAddLearner, 3)->code() == Code::kFailedPrecondition);
  group.Run();
  group.Tick(10);
  CHECK(pending->ok());
  CHECK(group[1].core().conf().voters == std::vector{NodeId(1)});
  const auto alone = group.Propose(1, "alone=1");
  group.Run();
  CHECK(alone->ok());
}

TEST_CASE("driver: a node that joins may be restarted before it knows its group") {
  SmallGroup group(1);
  group.ElectLeader();
  group.first_conf = {};
  group.Add(2);
  for (int restart = 0; restart < 3; ++restart) {
    REQUIRE(group.Start(2).ok());
    group.Tick(30);
    CHECK(group[2].core().standing().role == raft::Role::kFollower);
    group.Stop(2);
  }
  REQUIRE(group.Start(2).ok());
  group.Change(1, ConfStep::Op::kAddVoter, 2);
  group.Tick(10);
  CHECK(group[2].applied().conf.voters == std::vector{NodeId(1), NodeId(2)});
}

// Found by removing members under load: one that was told of its removal took five seconds to stop,
// as proposals waited for outcomes that nobody would ever tell it.
TEST_CASE("driver: a removed member gives up its proposals at once") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const int follower = leader % 3 + 1;
  group.tamper = [&](raft::Message& message) {
    if (std::holds_alternative<raft::ProposeRequest>(message.body)) message.term = raft::Term(0);
  };
  const auto fate = group.Propose(follower, "a=1");
  group.Run();
  REQUIRE_FALSE(fate->known());
  const auto removed = group.Change(leader, raft::ConfStep::Op::kRemove, follower);
  group.Tick(2);
  REQUIRE(removed->ok());
  REQUIRE_FALSE(group[follower].applied().conf.IsMember(NodeId(follower)));
  CHECK(fate->code() == Code::kOutcomeUnknown);

  // What comes after that has no effect for certain.
  const auto late = group.Propose(follower, "b=1");
  const auto read = group.Read(follower);
  group.Run();
  CHECK(late->code() == Code::kUnavailable);
  CHECK(read->code() == Code::kUnavailable);
}

TEST_CASE("driver: leadership is handed over") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const int target = leader % 3 + 1;
  CHECK(group[target].TransferLeadership(NodeId(target)) == raft::TransferOutcome::kNotLeader);
  CHECK(group[leader].TransferLeadership(NodeId(77)) == raft::TransferOutcome::kNotVoter);
  REQUIRE(group[leader].TransferLeadership(NodeId(target)) == raft::TransferOutcome::kStarted);
  CHECK_FALSE(group.Propose(leader, "a=1")->known());
  group.Run();
  CHECK(group.Leader() == target);
  CHECK(group.At(target).standings.back().leader == NodeId(target));
}

}  // namespace
}  // namespace matricula::replication
