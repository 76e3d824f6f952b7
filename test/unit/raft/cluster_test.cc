#include <catch2/catch.hpp>

#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {

TEST_CASE("three nodes elect, replicate and apply") {
  Cluster cluster(3);
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) {
    CHECK(cluster.Propose(1, "c" + std::to_string(i)).outcome == ProposeOutcome::kAppended);
  }
  for (uint64_t id = 1; id <= 3; ++id) {
    CHECK(cluster[id].state().commands.size() == 10);
    CHECK(cluster[id].core().applied() == Index(11));
  }
}

TEST_CASE("a lagging node receives a snapshot in chunks, and then entries") {
  Cluster cluster(3, [](Config& config) { config.snapshot_chunk_bytes = 16; });
  cluster.Elect(1);
  cluster.Isolate(3);
  for (int i = 0; i < 50; ++i) cluster.Propose(1, "command " + std::to_string(i));
  cluster[1].Flush();
  cluster[1].Compact();
  CHECK(cluster[1].disk().FirstIndex() == Index(52));
  cluster.Heal();
  cluster.TickAll(3);
  cluster.Propose(1, "after");
  CHECK(cluster[3].state().commands == cluster[1].state().commands);
  CHECK(cluster[3].disk().base_index == Index(51));
}

}  // namespace matricula::raft::testing
