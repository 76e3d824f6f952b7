#include "common/raft/read_index.h"

#include <catch2/catch.hpp>

namespace matricula::raft::testing {
namespace {

Ticket Number(uint64_t number) { return {NodeId(1), 1, number}; }

}  // namespace

TEST_CASE("reads join the next round, and are confirmed with it") {
  ReadQueue queue;
  CHECK_FALSE(queue.NeedsRound());
  queue.Add(Number(1), Index(5));
  queue.Add(Number(2), Index(5));
  CHECK(queue.NeedsRound());
  CHECK(queue.BeginRound() == 1);
  CHECK_FALSE(queue.NeedsRound());
  queue.Add(Number(3), Index(6));
  CHECK(queue.NeedsRound());
  CHECK(queue.BeginRound() == 2);
  CHECK(queue.TakeConfirmed(0).empty());
  const auto first = queue.TakeConfirmed(1);
  REQUIRE(first.size() == 2);
  CHECK(first[1].ticket == Number(2));
  CHECK(queue.size() == 1);
  CHECK(queue.TakeConfirmed(7).size() == 1);
}

TEST_CASE("a confirmed round does not reach reads that came after it") {
  ReadQueue queue;
  queue.Add(Number(1), Index(1));
  queue.BeginRound();
  queue.Add(Number(2), Index(1));
  CHECK(queue.TakeConfirmed(1).size() == 1);
  CHECK(queue.TakeAll().size() == 1);
  CHECK(queue.size() == 0);
}

TEST_CASE("a read is overdue from the tick that finds it waiting until it is confirmed") {
  ReadQueue queue;
  queue.Tick();
  queue.Add(Number(1), Index(1));
  queue.BeginRound();
  CHECK_FALSE(queue.HasOverdue());
  queue.Tick();
  CHECK(queue.HasOverdue());
  queue.Add(Number(2), Index(1));
  queue.BeginRound();
  CHECK(queue.TakeConfirmed(1).size() == 1);
  CHECK_FALSE(queue.HasOverdue());
  queue.Tick();
  CHECK(queue.HasOverdue());
  CHECK(queue.TakeConfirmed(2).size() == 1);
  CHECK_FALSE(queue.HasOverdue());
}

TEST_CASE("a read without a round is not overdue: nobody has been asked yet") {
  ReadQueue queue;
  queue.Add(Number(1), Index(1));
  queue.Tick();
  CHECK_FALSE(queue.HasOverdue());
}

TEST_CASE("a forwarded read is answered once, or forgotten in time") {
  ForwardedReads reads;
  reads.Add(Number(1));
  CHECK(reads.Tick(3).empty());
  reads.Add(Number(2));
  CHECK(reads.Tick(3).empty());
  CHECK(reads.Tick(3) == std::vector<Ticket>{Number(1)});
  CHECK_FALSE(reads.Take(Number(1)));
  CHECK(reads.Take(Number(2)));
  CHECK_FALSE(reads.Take(Number(2)));
  reads.Add(Number(3));
  CHECK(reads.size() == 1);
  CHECK(reads.TakeAll() == std::vector<Ticket>{Number(3)});
}

}  // namespace matricula::raft::testing
