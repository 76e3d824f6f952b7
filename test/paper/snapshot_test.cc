// Log compaction and snapshots: thesis chapter 5.
#include <catch2/catch.hpp>

#include "test/paper/solo.h"

namespace matricula::raft::testing {
namespace {

const Ticket kTransfer{NodeId(2), 1, 1};

SnapshotChunk Chunk(const SnapshotMeta& meta, const std::string& bytes) {
  return {kTransfer, meta, 0, bytes.size(), bytes};
}

// The whole state after `commands`, at this index.
std::pair<SnapshotMeta, std::string> Snapshot(uint64_t index, uint64_t term,
                                              std::vector<std::string> commands) {
  AppliedState state;
  state.applied = Index(index);
  state.term = Term(term);
  state.conf = Conf({1, 2, 3});
  state.commands = std::move(commands);
  return {state.Meta(), state.Serialize()};
}

}  // namespace

TEST_CASE("5.1 - a peer that needs what the log has no more gets a snapshot, then the rest") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, "c" + std::to_string(i));
  cluster[1].Flush();
  cluster[1].Compact();
  cluster.Propose(1, "more");
  cluster.Heal();
  cluster.TickAll(3);
  CHECK(cluster[3].state().commands.size() == 11);
  CHECK(cluster[3].disk().base_index == Index(12));
  CHECK(cluster[3].core().last_index() == Index(12));
}

TEST_CASE("5.1 - a snapshot travels in chunks; lost ones go again from the acknowledged offset") {
  Cluster cluster(2, [](Config& config) {
    config.snapshot_chunk_bytes = 10;
    config.max_inflight_chunks = 2;
  });
  cluster.Elect(1);
  cluster.Add(3);
  for (int i = 0; i < 20; ++i) cluster.Propose(1, "command " + std::to_string(i));
  cluster[1].Flush();
  cluster[1].Compact();
  (void)cluster[1].core().ProposeConfChange(AddLearner(3));
  int chunks = 0;
  int zeros = 0;
  cluster.lose = [&](const Message& message) {
    const auto* chunk = As<SnapshotChunk>(message);
    if (chunk == nullptr) return false;
    if (chunk->offset == 0) ++zeros;
    return ++chunks % 7 == 0;
  };
  cluster.TickAll(200);
  CHECK(cluster[3].state().commands.size() == 20);
  CHECK(zeros == 1);
  CHECK(chunks < 100);
}

TEST_CASE("5.1 - figure 5.3: a newer snapshot replaces log and state") {
  Solo solo;
  solo.Log({1, 1, 1});
  const auto [meta, bytes] = Snapshot(5, 2, {"a", "b"});
  const auto said = solo.Hear(2, 3, Chunk(meta, bytes));
  CHECK(solo.node.state().commands == std::vector<std::string>{"a", "b"});
  CHECK(solo.core().commit() == Index(5));
  CHECK(solo.core().applied() == Index(5));
  CHECK(solo.core().first_index() == Index(6));
  CHECK(solo.core().last_index() == Index(5));
  CHECK(solo.core().persisted() == Index(5));
  CHECK(solo.node.disk().entries.empty());
  REQUIRE(Only<AppendReply>(said).size() == 1);
  CHECK(Only<AppendReply>(said)[0].second.match == Index(5));
  // The log goes on after it.
  solo.Hear(2, 3, AppendRequest{Index(5), Term(2), Index(6), {Command(6, 3, "c")}});
  CHECK(solo.node.state().commands == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("5.1 - figure 5.3: with the snapshot's last entry in the log, the log is kept") {
  Solo solo;
  solo.Log({1, 1, 1, 1});
  const auto [meta, bytes] = Snapshot(3, 1, {"x"});
  const auto said = solo.Hear(2, 1, Chunk(meta, bytes));
  CHECK(solo.LogTerms().size() == 4);
  CHECK(solo.core().commit() == Index(3));
  CHECK(solo.node.state().commands.size() == 3);
  CHECK(Only<AppendReply>(said)[0].second.match == Index(3));
}

TEST_CASE("5.1 - an old snapshot is not installed") {
  Solo solo;
  solo.Log({1, 1, 1});
  solo.Hear(2, 1, Heartbeat{Index(3)});
  const auto [meta, bytes] = Snapshot(2, 1, {"x"});
  const auto said = solo.Hear(2, 1, Chunk(meta, bytes));
  CHECK(solo.core().commit() == Index(3));
  CHECK(solo.node.state().commands.size() == 3);
  CHECK(Only<AppendReply>(said)[0].second.match == Index(3));
}

TEST_CASE("5.1 - what was appended while a snapshot arrived is not taken back by it") {
  Solo solo;
  solo.node.hold_disk = true;
  const auto [meta, bytes] = Snapshot(2, 1, {"x", "y"});
  solo.Hear(2, 1, Chunk(meta, bytes));  // staged, not reported yet
  solo.Hear(2, 1,
            AppendRequest{Index(0),
                          Term(0),
                          Index(3),
                          {Command(1, 1, "x"), Command(2, 1, "y"), Command(3, 1, "z")}});
  solo.node.hold_disk = false;
  solo.Said();
  CHECK(solo.core().last_index() == Index(3));
  CHECK(solo.node.state().commands == std::vector<std::string>{"x", "y", "z"});
}

TEST_CASE("5.1 - a snapshot is acknowledged once it is durable") {
  const auto [meta, bytes] = Snapshot(5, 1, {"a"});
  Solo slow;
  slow.Hear(2, 1, Heartbeat{});
  REQUIRE(slow.core().Step({NodeId(2), NodeId(1), Term(1), Chunk(meta, bytes)}).ok());
  Output staged = slow.core().TakeOutput();
  REQUIRE(staged.chunks_to_stage.size() == 1);
  CHECK(staged.chunks_to_stage[0].last);
  slow.core().SnapshotStored(kTransfer, true);
  const Output install = slow.core().TakeOutput();
  REQUIRE(install.snapshot.has_value());
  CHECK(*install.snapshot == meta);
  CHECK(install.early_messages.empty());
  REQUIRE(install.late_messages.size() == 1);
  CHECK(slow.core().persisted() == Index(0));
  slow.core().Persisted(install.sequence);
  CHECK(slow.core().persisted() == Index(5));
}

TEST_CASE("5.1 - a bad snapshot is refused, and another one is sent") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, "c");
  cluster[1].Flush();
  cluster[1].Compact();
  cluster.Heal();
  cluster[3].spoil_snapshots = true;
  cluster.TickAll(3);
  CHECK(cluster[3].state().commands.empty());
  cluster[3].spoil_snapshots = false;
  cluster.TickAll(3);
  CHECK(cluster[3].state().commands.size() == 10);
}

TEST_CASE("5.1 - a snapshot brings the configuration of its index") {
  Cluster cluster(2);
  cluster.Add(3);
  cluster.Elect(1);
  (void)cluster[1].core().ProposeConfChange(AddLearner(3));
  cluster.Cut(1, 3);
  cluster.TickAll(1);
  for (int i = 0; i < 5; ++i) cluster.Propose(1, "c");
  cluster[1].Flush();
  cluster[1].Compact();
  cluster.Heal();
  cluster.TickAll(3);
  CHECK(cluster[3].disk().base_index == Index(7));
  CHECK(cluster[3].core().conf() == Conf({1, 2}, {3}));
  CHECK(cluster[3].core().conf_index() == Index(7));
}

TEST_CASE("5.1 - an applied entry may go, with a margin for those a little behind") {
  Cluster cluster(3, [](Config& config) { config.compaction_margin = 4; });
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 3; ++i) cluster.Propose(1, "c");
  CHECK(cluster[1].core().CompactionLimit() == Index(0));
  for (int i = 0; i < 6; ++i) cluster.Propose(1, "c");
  CHECK(cluster[1].core().CompactionLimit() == Index(6));
  cluster[1].Flush();
  cluster[1].Compact();
  CHECK(cluster[1].core().first_index() == Index(7));
  CHECK(cluster[1].disk().FirstIndex() == Index(7));
}

TEST_CASE("5.1 - what follows a snapshot on its way is kept, up to a limit") {
  Cluster cluster(3, [](Config& config) { config.max_held_entries = 6; });
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 4; ++i) cluster.Propose(1, "c");
  cluster[1].Flush();
  cluster[1].Compact();
  cluster[1].withhold_snapshots = true;
  cluster.Heal();
  cluster.TickAll(3);
  REQUIRE(cluster[1].snapshots_wanted.size() == 1);
  for (int i = 0; i < 4; ++i) cluster.Propose(1, "c");
  CHECK(cluster[1].core().CompactionLimit() == Index(5));
  for (int i = 0; i < 4; ++i) cluster.Propose(1, "c");
  CHECK(cluster[1].core().CompactionLimit() == Index(7));
}

TEST_CASE("5.1 - a snapshot that the log has left behind, or that cannot be made, is made anew") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 4; ++i) cluster.Propose(1, "c");
  cluster[1].Flush();
  cluster[1].Compact();
  cluster[1].withhold_snapshots = true;
  cluster.Heal();
  cluster.TickAll(3);
  REQUIRE(cluster[1].snapshots_wanted.size() == 1);
  const SnapshotMeta early = cluster[1].core().AppliedMeta();
  const Ticket first = *cluster[1].snapshots_wanted.begin();
  for (int i = 0; i < 4; ++i) cluster.Propose(1, "c");
  cluster[1].Flush();
  cluster[1].CompactTo(Index(9));
  cluster[1].core().SnapshotReady(first, early, 100);
  cluster.TickAll(1);
  REQUIRE(cluster[1].snapshots_wanted.size() == 1);
  const Ticket second = *cluster[1].snapshots_wanted.begin();
  CHECK(first < second);
  cluster[1].core().SnapshotFailed(first);  // released long ago
  cluster[1].core().SnapshotFailed(second);
  cluster[1].withhold_snapshots = false;
  cluster.TickAll(3);
  CHECK(cluster[3].state().commands.size() == 8);
}

TEST_CASE("5.1 - no snapshot for a peer that does not answer") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster[3].Crash();
  cluster.TickAll(25);  // not heard of since a quorum check
  for (int i = 0; i < 5; ++i) cluster.Propose(1, "c");
  cluster[1].Flush();
  cluster[1].Compact();
  cluster[1].withhold_snapshots = true;
  cluster.TickAll(25);
  CHECK(cluster[1].snapshots_wanted.empty());
  cluster[3].Restart();
  cluster.TickAll(25);
  CHECK(cluster[1].snapshots_wanted.size() == 1);
}

TEST_CASE("5.1 - a transfer to a peer that falls silent is released") {
  Cluster cluster(3);
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 5; ++i) cluster.Propose(1, "c");
  cluster[1].Flush();
  cluster[1].Compact();
  cluster[1].withhold_snapshots = true;
  cluster.Heal();
  cluster.TickAll(3);
  REQUIRE(cluster[1].snapshots_wanted.size() == 1);
  cluster.Isolate(3);
  cluster.TickAll(25);
  CHECK(cluster[1].snapshots_wanted.empty());
}

}  // namespace matricula::raft::testing
