#include "common/replication/driver.h"

#include "test/unit/replication/small_group.h"

namespace matricula::replication {
namespace {

using raft::Index;
using raft::NodeId;

TEST_CASE("driver: a restart goes on where the node was") {
  SmallGroup group(3);
  group.ElectLeader();
  for (int i = 0; i < 30; ++i) group.Propose(1, "k" + std::to_string(i) + "=v");
  group.Run();
  group.Tick();
  const auto contents = group.At(1).machine->Contents();
  REQUIRE(contents.size() == 30);
  for (int id = 1; id <= 3; ++id) group.Stop(id);
  for (int id = 1; id <= 3; ++id) REQUIRE(group.Start(id).ok());
  CHECK(group.At(1).machine->Contents() == contents);
  CHECK(group[1].core().config().incarnation == 2);
  group.ElectLeader();
  CHECK(group.At(2).machine->applied_commands.empty());  // nothing is applied twice
  const auto fate = group.Propose(2, "after=1");
  group.Run();
  group.Tick();
  CHECK(fate->ok());
}

TEST_CASE("driver: the first configuration counts once, and is kept") {
  SmallGroup group(1);
  group.ElectLeader();
  group.Stop(1);
  group.first_conf.voters = {NodeId(1), NodeId(2), NodeId(3)};
  REQUIRE(group.Start(1).ok());
  CHECK(group[1].core().conf().voters == std::vector{NodeId(1)});
}

TEST_CASE("driver: the log is compacted behind what is applied, and the rest survives") {
  SmallGroup group(3);
  group.ElectLeader();
  for (int i = 0; i < 200; ++i) {
    group.Propose(1, "k=" + std::to_string(i));
    group.Run();
  }
  group.Tick();
  for (int id = 1; id <= 3; ++id) {
    CHECK(group[id].core().first_index() > Index(100));
    CHECK(group.At(id).log->FirstIndex() == group[id].core().first_index());
    CHECK(group.At(id).machine->syncs == 1);  // of the first configuration
    group.Stop(id);
    REQUIRE(group.Start(id).ok());
    CHECK(group.At(id).machine->Contents().at("k") == "199");
  }
}

TEST_CASE("driver: with two engines the state is synced before the log lets go of it") {
  SmallGroup group(1, [](Driver::Options& options) { options.one_engine = false; });
  group.ElectLeader();
  for (int i = 0; i < 100; ++i) {
    group.Propose(1, "k=" + std::to_string(i));
    group.Run();
  }
  CHECK(group[1].core().first_index() > Index(50));
  CHECK(group.At(1).machine->syncs > 2);
}

// A process that ended left its state to the machine's memory; the next one took it for durable,
// let go of the log, and then the power went.
TEST_CASE("driver: with two engines a state found at the start is synced before the log is cut") {
  uint64_t step = 1'000;
  SmallGroup group(1, [&](Driver::Options& options) {
    options.one_engine = false;
    options.compaction_step = step;
  });
  group.ElectLeader();
  for (int i = 0; i < 100; ++i) {
    group.Propose(1, "k=" + std::to_string(i));
    group.Run();
  }
  group.Stop(1);
  step = 10;
  REQUIRE(group.Start(1).ok());
  group.ElectLeader();
  CHECK(group[1].core().first_index() > Index(50));
  CHECK(group.At(1).machine->syncs == 1);
}

TEST_CASE("driver: a log that grows too large is cut although the margin is not reached") {
  SmallGroup group(1, [](Driver::Options& options) {
    options.raft.compaction_margin = 100'000;
    options.compaction_step = 1'000;
    options.max_log_bytes = 10'000;
  });
  group.ElectLeader();
  for (int i = 0; i < 300; ++i) {
    group.Propose(1, "k=" + std::string(100, 'x'));
    group.Run();
  }
  CHECK(group.At(1).log->Bytes() < 13'000);
  CHECK(group.At(1).log->Bytes() > 3'000);
}

}  // namespace
}  // namespace matricula::replication
