#include "common/replication/driver.h"

#include "test/unit/replication/small_group.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::Index;
using raft::NodeId;

TEST_CASE("driver: one member agrees with itself at the cost of one sync per batch") {
  SmallGroup group(1);
  group.ElectLeader();
  const int syncs = group.At(1).engine.syncs;
  std::vector<std::shared_ptr<Fate<std::any>>> fates;
  for (int i = 0; i < 50; ++i) fates.push_back(group.Propose(1, "k=" + std::to_string(i)));
  group.Run();
  for (const auto& fate : fates) REQUIRE(fate->ok());
  CHECK(TextOf(fates[0]) == "");
  CHECK(TextOf(fates[49]) == "48");
  CHECK(group.At(1).engine.syncs == syncs + 1);
  for (int i = 0; i < 10; ++i) {
    group.Propose(1, "k=v");
    group.Run();
  }
  CHECK(group.At(1).engine.syncs == syncs + 11);
}

TEST_CASE("driver: nothing is sent or answered between Begin and Finish that needs the disk") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const auto fate = group.Propose(leader, "a=1");
  REQUIRE(group[leader].Begin());
  CHECK(group[leader].NeedsSync());
  CHECK(group.wire.size() == 2);  // the appends leave before the leader's own disk has them
  std::vector<raft::Message> appends(group.wire.begin(), group.wire.end());
  group.wire.clear();
  const int follower = static_cast<int>(appends[0].to.value());
  group[follower].Receive(appends[0]);
  REQUIRE(group[follower].Begin());
  CHECK(group[follower].NeedsSync());
  CHECK(group.wire.empty());  // the acknowledgement waits for the disk
  REQUIRE(group[follower].Finish().ok());
  CHECK(group.wire.size() == 1);
  REQUIRE(group[leader].Finish().ok());
  CHECK_FALSE(fate->known());
  group.Run();
  CHECK(fate->ok());
}

TEST_CASE("driver: what any member proposes is applied by all and answered where it was asked") {
  SmallGroup group(3);
  group.ElectLeader();
  std::vector<std::shared_ptr<Fate<std::any>>> fates;
  for (int i = 0; i < 30; ++i) {
    fates.push_back(group.Propose(1 + i % 3, "k" + std::to_string(i) + "=" + std::to_string(i)));
  }
  group.Run();
  group.Tick();
  for (const auto& fate : fates) CHECK(fate->ok());
  CHECK(group.At(1).machine->Contents().size() == 30);
  CHECK(group.At(1).machine->Contents() == group.At(2).machine->Contents());
  CHECK(group.At(1).machine->Contents() == group.At(3).machine->Contents());
}

TEST_CASE("driver: a large batch travels in slices") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const int follower = leader % 3 + 1;
  std::vector<std::shared_ptr<Fate<std::any>>> fates;
  for (int i = 0; i < 40; ++i) {
    fates.push_back(
        group.Propose(follower, "k" + std::to_string(i) + "=" + std::string(100'000, 'x')));
  }
  group.Run();
  group.Tick();
  for (const auto& fate : fates) CHECK(fate->ok());
}

TEST_CASE("driver: without a leader nothing is taken") {
  SmallGroup group(3);
  const auto fate = group.Propose(1, "a=1");
  const auto read = group.Read(1);
  group.Run();
  CHECK(fate->code() == Code::kUnavailable);
  CHECK(read->code() == Code::kUnavailable);
}

TEST_CASE("driver: a command that is too large is refused, and others are not") {
  SmallGroup group(1, [](Driver::Options& options) { options.raft.max_entry_bytes = 1000; });
  group.ElectLeader();
  const auto large = group.Propose(1, "a=" + std::string(2000, 'x'));
  group.Run();
  const auto small = group.Propose(1, "a=1");
  group.Run();
  CHECK(large->code() == Code::kInvalidArgument);
  CHECK(small->ok());
}

TEST_CASE("driver: more than may wait is refused") {
  SmallGroup group(3, [](Driver::Options& options) {
    options.max_proposals = 5;
    options.raft.max_uncommitted_bytes = 2000;
  });
  const int leader = group.ElectLeader();
  std::vector<std::shared_ptr<Fate<std::any>>> fates;
  std::vector<std::shared_ptr<Fate<Index>>> reads;
  for (int i = 0; i < 6; ++i) {
    fates.push_back(group.Propose(leader, "a=1"));
    reads.push_back(group.Read(leader));
  }
  CHECK(fates[5]->code() == Code::kResourceExhausted);
  CHECK(reads[5]->code() == Code::kResourceExhausted);
  group.Run();
  CHECK(fates[4]->ok());
  CHECK(reads[4]->ok());
  group.cut = {1, 2, 3};
  const auto first = group.Propose(leader, "a=" + std::string(1800, 'x'));
  group.Run();
  const auto second = group.Propose(leader, "a=" + std::string(1800, 'x'));
  group.Run();
  CHECK_FALSE(first->known());
  CHECK(second->code() == Code::kResourceExhausted);
}

TEST_CASE("driver: a proposal that another leader overwrites is certainly without effect") {
  SmallGroup group(3);
  const int old_leader = group.ElectLeader();
  group.cut = {old_leader};
  const auto lost = group.Propose(old_leader, "lost=1");
  group.Run();
  const int new_leader = group.ElectLeader();
  REQUIRE(new_leader != old_leader);
  CHECK_FALSE(lost->known());  // it might still have come to something
  group.cut = {};
  for (int i = 0; i < 30 && !lost->known(); ++i) group.Tick();
  CHECK(lost->code() == Code::kUnavailable);
  CHECK_FALSE(group.At(old_leader).machine->Contents().contains("lost"));
}

TEST_CASE("driver: a proposal that survives its leader is done, not lost") {
  SmallGroup group(3);
  const int old_leader = group.ElectLeader();
  const auto fate = group.Propose(old_leader, "kept=1");
  // The followers get the entry, the leader never hears of it and is cut off.
  REQUIRE(group[old_leader].Begin());
  REQUIRE(group[old_leader].Finish().ok());
  std::deque<raft::Message> appends = std::exchange(group.wire, {});
  for (raft::Message& append : appends) {
    Driver& follower = group[static_cast<int>(append.to.value())];
    follower.Receive(append);
    while (follower.Begin()) REQUIRE(follower.Finish().ok());
  }
  group.wire.clear();
  group.cut = {old_leader};
  group.ElectLeader();
  CHECK_FALSE(fate->known());
  group.cut = {};
  for (int i = 0; i < 30 && !fate->known(); ++i) group.Tick();
  CHECK(fate->ok());
}

TEST_CASE("driver: without news the outcome is unknown, at the latest after the time-out") {
  SmallGroup group(3, [](Driver::Options& options) { options.proposal_timeout_ticks = 20; });
  const int leader = group.ElectLeader();
  const int follower = leader % 3 + 1;
  group.cut = {leader};
  const auto own = group.Propose(leader, "a=1");
  const auto forwarded = group.Propose(follower, "b=1");
  for (auto& [id, member] : group.members) {
    while (member->driver->Begin()) REQUIRE(member->driver->Finish().ok());
  }
  group.wire.clear();
  group.cut = {1, 2, 3};
  group.Tick(19);
  CHECK_FALSE(own->known());
  CHECK_FALSE(forwarded->known());
  group.Tick(1);
  CHECK(own->code() == Code::kOutcomeUnknown);
  CHECK(forwarded->code() == Code::kOutcomeUnknown);
}

TEST_CASE("driver: a forwarded proposal that the leader refuses is certainly without effect") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  const int follower = leader % 3 + 1;
  const auto fate = group.Propose(follower, "a=1");
  while (group[follower].Begin()) REQUIRE(group[follower].Finish().ok());
  const int other = 6 - leader - follower;
  group.At(other).driver.reset();
  group.cut = {other};
  // The leader is handing over when the proposal arrives.
  REQUIRE(group[leader].TransferLeadership(NodeId(other)) == raft::TransferOutcome::kStarted);
  group.Run();
  CHECK(fate->code() == Code::kUnavailable);
}

TEST_CASE("driver: an answer's caller may come back at once with the next proposal") {
  SmallGroup group(1);
  group.ElectLeader();
  int done = 0;
  std::function<void()> next = [&] {
    group[1].Propose("k=v", [&](base::Result<std::any> result) {
      REQUIRE(result.ok());
      if (++done < 10) next();
    });
  };
  next();
  group.Run();
  CHECK(done == 10);
}

TEST_CASE("driver: what no correct peer sends is counted and dropped") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  group[leader].Receive({NodeId(2), NodeId(99), raft::Term(1), raft::TermNotice{}});
  CHECK(group[leader].refused_messages() == 1);
  CHECK(group[leader].failure().ok());
}

TEST_CASE("driver: an entry without a name is damage") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  group.tamper = [&](raft::Message& message) {
    if (auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
      for (raft::Entry& entry : append->entries) {
        if (entry.type == raft::EntryType::kCommand) entry.payload = raft::Payload("x");
      }
    }
  };
  group.Propose(leader, "a=1");
  group.Run();
  group.Tick();
  CHECK(group[leader % 3 + 1].failure().code() == Code::kDataLoss);
}

TEST_CASE("driver: its end answers everybody") {
  SmallGroup group(3);
  const int leader = group.ElectLeader();
  group.cut = {1, 2, 3};
  const auto under_way = group.Propose(leader, "a=1");
  const auto read_under_way = group.Read(leader);
  group.Run();
  const auto queued = group.Propose(leader, "b=1");
  const auto read_queued = group.Read(leader);
  group.At(leader).driver.reset();
  CHECK(under_way->code() == Code::kOutcomeUnknown);
  CHECK(queued->code() == Code::kUnavailable);
  CHECK(read_under_way->code() == Code::kUnavailable);
  CHECK(read_queued->code() == Code::kUnavailable);
}

}  // namespace
}  // namespace matricula::replication
