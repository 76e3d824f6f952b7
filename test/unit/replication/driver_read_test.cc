#include "common/replication/driver.h"

#include "test/unit/replication/small_group.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::NodeId;

TEST_CASE("driver: a read waits until its index is applied here") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const int follower = leader % 3 + 1;
  // The follower hears no appends, only the answer to its read.
  group.tamper = [&](raft::Message& message) {
    const bool append = std::holds_alternative<raft::AppendRequest>(message.body) ||
                        std::holds_alternative<raft::Heartbeat>(message.body);
    if (append && message.to == NodeId(follower)) message.term = raft::Term(0);
  };
  REQUIRE(group.Propose(leader, "a=1"));
  group.Run();
  const auto read = group.Read(follower);
  group.Run();
  CHECK_FALSE(read->known());
  CHECK_FALSE(group.At(follower).machine->Contents().contains("a"));
  group.tamper = {};
  group.Tick(15);
  REQUIRE(read->ok());
  CHECK(group.At(follower).machine->Contents().at("a") == "1");
}

// Found by removing members under load: one that was told of its removal could not stop, as a read
// waited for entries that nobody would ever send it.
TEST_CASE("driver: a confirmed read whose entries never come is given up with the leader") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const int follower = leader % 3 + 1;
  // It hears no appends, only the answer to its read.
  group.tamper = [&](raft::Message& message) {
    const bool append = std::holds_alternative<raft::AppendRequest>(message.body) ||
                        std::holds_alternative<raft::Heartbeat>(message.body);
    if (append && message.to == NodeId(follower)) message.term = raft::Term(0);
  };
  REQUIRE(group.Propose(leader, "a=1"));
  group.Run();
  const auto read = group.Read(follower);
  group.Run();
  REQUIRE_FALSE(read->known());
  group.cut.insert(follower);
  group.Tick(3 * group[follower].core().config().election_ticks);
  CHECK(read->code() == Code::kUnavailable);
}

TEST_CASE("driver: reads of a leader without a quorum are given up") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  group.cut = {leader};
  const auto read = group.Read(leader);
  group.Tick(25);
  CHECK(read->code() == Code::kUnavailable);
}

}  // namespace
}  // namespace matricula::replication
