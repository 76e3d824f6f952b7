#include "common/raft/snapshot.h"

#include <catch2/catch.hpp>

#include "common/raft/random.h"

namespace matricula::raft::testing {
namespace {

const Ticket kTransfer{NodeId(1), 1, 1};
const SnapshotMeta kMeta{Index(9), Term(2), {{NodeId(1)}, {}, {}, {}, false}};

std::vector<std::pair<uint64_t, uint64_t>> All(ChunkSender& sender) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  while (const auto range = sender.Next()) ranges.emplace_back(range->offset, range->size_bytes);
  return ranges;
}

using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;

}  // namespace

TEST_CASE("a sender keeps a window of chunks on their way") {
  ChunkSender sender(kTransfer, kMeta, 25, 10, 2);
  CHECK(All(sender) == Ranges{{0, 10}, {10, 10}});
  sender.OnReply(10, false);
  CHECK(All(sender) == Ranges{{20, 5}});
  sender.OnReply(20, false);
  CHECK(All(sender).empty());
  sender.OnReply(25, false);
  CHECK(All(sender).empty());
}

TEST_CASE("a sender goes back when nothing moves, and asks when all has arrived") {
  ChunkSender sender(kTransfer, kMeta, 20, 10, 2);
  CHECK(All(sender).size() == 2);
  sender.OnReply(10, false);
  sender.Tick(3);
  sender.Tick(3);
  CHECK(All(sender).empty());
  sender.Tick(3);
  CHECK(All(sender) == Ranges{{10, 10}});
  sender.OnReply(20, false);
  for (int i = 0; i < 3; ++i) sender.Tick(3);
  CHECK(All(sender) == Ranges{{20, 0}});
  sender.GoBack();
  CHECK(All(sender) == Ranges{{20, 0}});
}

// It waited for an election time-out each time, and a transfer through a network that reorders took
// half a minute for sixty chunks.
TEST_CASE("a sender goes back at the next tick when all is answered and not all was taken") {
  ChunkSender sender(kTransfer, kMeta, 100, 10, 4);
  CHECK(All(sender) == Ranges{{0, 10}, {10, 10}, {20, 10}, {30, 10}});
  sender.OnReply(10, false);
  CHECK(All(sender) == Ranges{{40, 10}});
  for (int i = 0; i < 3; ++i) sender.OnReply(10, false);  // the second came last
  sender.Tick(100);
  CHECK(All(sender).empty());  // its answer is still to come
  sender.OnReply(20, false);
  CHECK(All(sender) == Ranges{{50, 10}});
  sender.OnReply(20, false);
  CHECK(All(sender).empty());
  sender.Tick(100);
  CHECK(All(sender) == Ranges{{20, 10}, {30, 10}, {40, 10}, {50, 10}});
}

TEST_CASE("a sender starts over for a receiver that has forgotten") {
  ChunkSender sender(kTransfer, kMeta, 20, 10, 2);
  CHECK(All(sender).size() == 2);
  sender.OnReply(20, false);
  sender.OnReply(0, true);
  CHECK(All(sender) == Ranges{{0, 10}, {10, 10}});
  sender.OnReply(10, false);
  sender.OnReply(0, false);   // overtaken: nothing new
  sender.OnReply(99, false);  // beyond the end: from nobody in his senses
  CHECK(All(sender).empty());
}

TEST_CASE(
    "a sender believes a receiver that started anew, though an older answer came in between") {
  ChunkSender sender(kTransfer, kMeta, 100, 10, 2);
  CHECK(All(sender).size() == 2);
  sender.OnReply(10, false);
  sender.OnReply(0, true);    // a restart
  sender.OnReply(20, false);  // from before
  CHECK(All(sender) == Ranges{{20, 10}, {30, 10}});
  sender.OnReply(10, false);  // the truth, but it looks like an old answer
  CHECK(All(sender).empty());
  sender.Tick(1);
  CHECK(All(sender).size() == 2);
  sender.OnReply(10, false);
  CHECK(All(sender) == Ranges{{10, 10}, {20, 10}});
}

TEST_CASE("a receiver takes chunks in order only") {
  SnapshotChunk chunk{kTransfer, kMeta, 0, 8, std::string("abc")};
  ChunkReceiver receiver(chunk);
  CHECK(receiver.transfer() == kTransfer);
  CHECK(receiver.meta() == kMeta);
  CHECK(receiver.Take(chunk));
  CHECK_FALSE(receiver.Take(chunk));
  CHECK(receiver.next_offset() == 3);
  chunk.offset = 6;
  CHECK_FALSE(receiver.Take(chunk));
  chunk.offset = 3;
  chunk.bytes = Payload();
  CHECK_FALSE(receiver.Take(chunk));  // a question
  CHECK_FALSE(receiver.complete());
  chunk.bytes = std::string("defgh");
  CHECK(receiver.Take(chunk));
  CHECK(receiver.complete());
}

TEST_CASE("whatever is lost, doubled or overtaken, the bytes arrive once and in order") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const std::string file(1 + random.Below(200), 'x');
    ChunkSender sender(kTransfer, kMeta, file.size(), 1 + random.Below(30),
                       static_cast<int>(1 + random.Below(4)));
    std::optional<ChunkReceiver> receiver;
    std::string received;
    std::vector<SnapshotChunk> chunks;
    std::vector<std::pair<uint64_t, bool>> replies;
    int steps = 0;
    const auto restart = static_cast<int>(random.Below(100));
    for (; steps < 20'000 && !(receiver && receiver->complete()); ++steps) {
      while (const auto range = sender.Next()) {
        chunks.push_back({kTransfer, kMeta, range->offset, file.size(),
                          file.substr(range->offset, range->size_bytes)});
      }
      sender.Tick(5);
      if (steps == restart) receiver.reset();
      if (!chunks.empty()) {
        const size_t at = random.Below(chunks.size());
        const SnapshotChunk chunk = chunks[at];
        if (random.Below(4) != 0) chunks.erase(chunks.begin() + static_cast<ptrdiff_t>(at));
        if (!receiver && chunk.offset == 0 && chunk.bytes.size() > 0) {
          receiver.emplace(chunk);
          received.clear();
        }
        if (receiver && receiver->Take(chunk)) received += chunk.bytes.view();
        replies.emplace_back(receiver ? receiver->next_offset() : 0, !receiver);
      }
      if (!replies.empty() && random.Below(3) != 0) {
        const size_t at = random.Below(replies.size());
        sender.OnReply(replies[at].first, replies[at].second);
        if (random.Below(4) != 0) replies.erase(replies.begin() + static_cast<ptrdiff_t>(at));
      }
      if (chunks.size() > 20) chunks.clear();
      if (replies.size() > 20) replies.clear();
    }
    INFO("seed " << seed);
    REQUIRE(received == file);
  }
}

}  // namespace matricula::raft::testing
