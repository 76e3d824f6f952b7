#include "common/replication/driver.h"

#include "test/unit/replication/small_group.h"

namespace matricula::replication {
namespace {

using base::Code;
using raft::Index;

// A member that was away while the others compacted their logs.
void LeaveBehind(SmallGroup& group, int away) {
  group.cut = {away};
  const int leader = group.ElectLeader();
  for (int i = 0; i < 100; ++i) {
    group.Propose(leader,
                  "k" + std::to_string(i % 7) + "=" + std::string(300, 'x') + std::to_string(i));
    group.Run();
  }
  REQUIRE(group[leader].core().first_index() > group[away].core().last_index() + 1);
}

TEST_CASE("driver: a member far behind gets a snapshot and goes on") {
  SmallGroup group(3);
  const int away = group.ElectLeader() % 3 + 1;
  LeaveBehind(group, away);
  group.cut = {};
  group.Tick(30);
  const int leader = group.Leader();
  CHECK(group.At(away).machine->Contents() == group.At(leader).machine->Contents());
  CHECK(group.At(away).log->FirstIndex() > Index(50));
  CHECK(group[away].applied().conf == group.first_conf);
  const auto fate = group.Propose(away, "after=1");
  group.Run();
  group.Tick();
  CHECK(fate->ok());
  group.Stop(away);
  REQUIRE(group.Start(away).ok());
  CHECK(group.At(away).machine->Contents().at("after") == "1");
}

TEST_CASE("driver: a snapshot that has arrived does not make the old log be compacted") {
  SmallGroup group(3, [](Driver::Options& options) { options.one_engine = false; });
  const int away = group.ElectLeader() % 3 + 1;
  LeaveBehind(group, away);
  group.cut = {};
  group.Tick(30);
  CHECK(group.At(away).machine->Contents() == group.At(group.Leader()).machine->Contents());
}

TEST_CASE("driver: two members far behind share one snapshot") {
  SmallGroup group(5);
  const int leader = group.ElectLeader();
  const int a = leader % 5 + 1;
  const int b = a % 5 + 1;
  group.cut = {a, b};
  for (int i = 0; i < 100; ++i) {
    group.Propose(leader, "k=" + std::to_string(i));
    group.Run();
  }
  group.cut = {};
  group.Tick(30);
  CHECK(group.At(a).machine->Contents().at("k") == "99");
  CHECK(group.At(b).machine->Contents().at("k") == "99");
}

TEST_CASE("driver: a damaged piece of a snapshot is asked for again") {
  SmallGroup group(3);
  const int away = group.ElectLeader() % 3 + 1;
  LeaveBehind(group, away);
  group.cut = {};
  int damaged = 0;
  group.tamper = [&](raft::Message& message) {
    auto* chunk = std::get_if<raft::SnapshotChunk>(&message.body);
    if (chunk == nullptr || damaged > 0 || chunk->bytes.size() < 100) return;
    std::string bytes(chunk->bytes.view());
    bytes[50] ^= 1;
    chunk->bytes = raft::Payload(bytes);
    ++damaged;
  };
  group.Tick(60);
  REQUIRE(damaged == 1);
  CHECK(group.At(away).machine->Contents() == group.At(group.Leader()).machine->Contents());
}

TEST_CASE("driver: a snapshot that cannot be made now is made later") {
  SmallGroup group(3);
  const int away = group.ElectLeader() % 3 + 1;
  LeaveBehind(group, away);
  for (auto& [id, member] : group.members) member->machine->refuse_snapshots = true;
  group.cut = {};
  group.Tick(20);
  CHECK(group.At(away).machine->Contents() != group.At(group.Leader()).machine->Contents());
  for (auto& [id, member] : group.members) member->machine->refuse_snapshots = false;
  group.Tick(40);
  CHECK(group.At(away).machine->Contents() == group.At(group.Leader()).machine->Contents());
}

TEST_CASE("driver: a proposal that a snapshot swallows has an unknown outcome") {
  SmallGroup group(3, [](Driver::Options& options) { options.proposal_timeout_ticks = 1'000; });
  const int leader = group.ElectLeader();
  const int away = leader % 3 + 1;
  // The proposal reaches the leader; its author hears of nothing afterwards.
  const auto fate = group.Propose(away, "swallowed=1");
  while (group[away].Begin()) REQUIRE(group[away].Finish().ok());
  raft::Message request = group.wire.back();
  group.wire.clear();
  group[leader].Receive(request);
  LeaveBehind(group, away);
  group.cut = {};
  group.Tick(30);
  CHECK(group.At(away).machine->Contents().contains("swallowed"));
  CHECK(fate->code() == Code::kOutcomeUnknown);
}

TEST_CASE("driver: an installation that was interrupted before the log knew is finished") {
  SmallGroup group(3);
  const int away = group.ElectLeader() % 3 + 1;
  LeaveBehind(group, away);
  const int leader = group.Leader();
  // The state machine of the member that was away gets the snapshot; its log does not.
  auto source = group.At(leader).machine->PinSnapshot();
  REQUIRE(source->Prepare().ok());
  MapMachine& machine = *group.At(away).machine;
  REQUIRE(machine.Stage(0, *source->Read(0, source->TotalBytes())).ok());
  REQUIRE(machine.InstallStaged(source->meta()).ok());
  const Index index = source->meta().index;
  source.reset();
  group.Stop(away);
  REQUIRE(group.Start(away).ok());
  CHECK(group.At(away).log->FirstIndex() == index + 1);
  CHECK(group[away].core().applied() == index);
  group.cut = {};
  group.Tick(30);
  CHECK(group.At(away).machine->Contents() == group.At(group.Leader()).machine->Contents());
}

TEST_CASE("driver: a snapshot that cannot be read stops the node") {
  SmallGroup group(3);
  const int away = group.ElectLeader() % 3 + 1;
  LeaveBehind(group, away);
  const int leader = group.Leader();
  group.cut = {};
  SECTION("when it is prepared") {
    group[leader].Tick();
    std::shared_ptr<SnapshotSource> source = group.At(leader).machine->PinSnapshot();
    group[leader].SnapshotPrepared(source, {Code::kUnknown, "the disk does not answer"});
    CHECK_FALSE(group[leader].failure().ok());
    group[leader].SnapshotPrepared(source, {});  // too late to matter
  }
  SECTION("when a piece is sent") {
    group.tamper = [&](raft::Message& message) {
      if (std::holds_alternative<raft::SnapshotChunkReply>(message.body)) {
        group.At(leader).engine.read_error = {Code::kUnknown, "the disk does not answer"};
      }
    };
    group.Tick(20);
    CHECK(group[leader].failure().code() == Code::kUnknown);
  }
  SECTION("when it is staged") {
    group.tamper = [&](raft::Message& message) {
      if (std::holds_alternative<raft::SnapshotChunk>(message.body)) {
        group.At(away).engine.write_error = {Code::kUnknown, "the disk does not answer"};
      }
    };
    group.Tick(20);
    CHECK(group[away].failure().code() == Code::kUnknown);
  }
  SECTION("when it is checked") {
    group.tamper = [&](raft::Message& message) {
      if (std::holds_alternative<raft::SnapshotChunk>(message.body)) {
        group.At(away).engine.read_error = {Code::kUnknown, "the disk does not answer"};
      }
    };
    group.Tick(20);
    CHECK(group[away].failure().code() == Code::kUnknown);
  }
}

}  // namespace
}  // namespace matricula::replication
