#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/status.h"
#include "common/raft/types.h"

namespace matricula::raft {

// A tick is whatever the driver makes it; 100 ms with the defaults below gives elections of 1 to
// 2 s. Every limit in bytes counts by Entry::Cost().
struct Config {
  // This node; never 0, never another node's, and never used again after its disk was lost.
  NodeId id;

  // Larger than at any earlier start of this node. Keep it in the log store and sync it before the
  // core is made. A repeated one lets an old answer pass for a new one.
  uint64_t incarnation = 0;

  // Of the election time-outs. Different on every node, or they may split votes for ever.
  uint64_t seed = 0;

  // A follower that hears of no leader for this many ticks up to twice as many (drawn each time)
  // starts an election. Too small: needless elections. Too large: a long silence after a crash.
  // At least 3 × heartbeat_ticks.
  int election_ticks = 10;
  int heartbeat_ticks = 1;

  // Ask before standing for election (§9.6), and step down as leader without a quorum's answers,
  // while followers of a live leader disregard other candidates (§6.2, §4.2.3). Off only in tests.
  bool pre_vote = true;
  bool check_quorum = true;

  // Of one append message; an entry larger than it travels alone.
  size_t max_append_bytes = size_t{1} << 20;
  // Not yet acknowledged by one peer. Too small: the network idles. Too large: a slow peer makes
  // the sender's queues grow.
  int max_inflight_messages = 256;
  size_t max_inflight_bytes = size_t{16} << 20;

  // One proposal. A larger one is refused.
  size_t max_entry_bytes = size_t{4} << 20;
  // In the leader's log and not committed. More is refused until some is.
  size_t max_uncommitted_bytes = size_t{64} << 20;
  // Handed out to be applied, and not reported as applied.
  size_t max_apply_bytes = size_t{16} << 20;
  // Entries kept in memory for peers a little behind although they are durable and applied.
  size_t max_tail_bytes = size_t{32} << 20;
  // Reads waiting for confirmation. More are refused.
  size_t max_pending_reads = 65536;

  // Of one snapshot chunk, and how many may be on their way to a peer.
  size_t snapshot_chunk_bytes = size_t{512} << 10;
  int max_inflight_chunks = 4;

  // Entries kept after they were applied, so that a peer a little behind needs no snapshot.
  uint64_t compaction_margin = 5000;
  // Entries kept after they were applied while a snapshot is on its way to a peer that will need
  // them next. Too small: under load a slow transfer is followed by another one, and so on.
  uint64_t max_held_entries = 1'000'000;

  // Check the dear invariants too, after every input: tests, simulator, debugging.
  bool check_thoroughly = false;
};

// InvalidArgument with one sentence about the first mistake.
base::Status Validate(const Config& config);

}  // namespace matricula::raft
