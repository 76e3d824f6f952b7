#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "common/raft/membership.h"
#include "common/raft/types.h"

// What nodes say to each other. Any message may be lost, doubled, delayed or overtaken: the core
// stays right, and only slows down. Messages between two nodes had better keep their order.
namespace matricula::raft {

// "Would you vote for me in the term after mine?" (§9.6). Changes nobody's term.
struct PreVoteRequest {
  Index last_index;
  Term last_term;
};
struct PreVoteReply {
  Term asked;  // the term that was asked for: one more than the asker's
  bool granted = false;
};

struct VoteRequest {
  Index last_index;
  Term last_term;
  bool transfer = false;  // the leader itself asked for this election (§3.10): leases do not hold
};
struct VoteReply {
  bool granted = false;
};

// Entries after (prev_index, prev_term), and how far the leader's log is committed.
struct AppendRequest {
  Index prev_index;
  Term prev_term;
  Index commit;
  std::vector<Entry> entries;
};
// Taken: the sender's log equals the leader's up to `match`, and is durable so far.
// Refused: it has no entry (rejected, prev_term); the last that it may share with the leader is
// (hint_index, hint_term).
struct AppendReply {
  bool taken = false;
  Index match;
  Index rejected;
  Index hint_index;
  Term hint_term;
};

// `commit` is never more than what the receiver is known to have. `round` counts the rounds by
// which the leader confirms that it still leads (§6.4); the reply returns it.
struct Heartbeat {
  Index commit;
  uint64_t round = 0;
};
struct HeartbeatReply {
  uint64_t round = 0;
};

// The last entry that a snapshot stands for, and the configuration at that point.
struct SnapshotMeta {
  Index index;
  Term term;
  ConfState conf;
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};
// Bytes [offset, offset + bytes.size()) of a snapshot of `total_bytes`. Empty bytes ask how far the
// receiver is.
struct SnapshotChunk {
  Ticket transfer;
  SnapshotMeta meta;
  uint64_t offset = 0;
  uint64_t total_bytes = 0;
  Payload bytes;
};
struct SnapshotChunkReply {
  Ticket transfer;
  uint64_t next_offset = 0;  // everything before has been taken
  bool restart = false;      // the receiver knows nothing of this transfer: go back to next_offset
  bool failed = false;       // what arrived was not a snapshot, or could not be kept
};

// "Start an election now" (§3.10).
struct TimeoutNow {};

// A follower's proposals, for the leader of exactly this message's term.
struct ProposeRequest {
  Ticket ticket;
  std::vector<Payload> payloads;
};
struct ProposeReply {
  Ticket ticket;
  bool appended = false;  // otherwise: refused, and never will be
  Index first_index;
};

struct ReadRequest {
  Ticket ticket;
};
struct ReadReply {
  Ticket ticket;
  bool confirmed = false;
  Index index;
};

// "Your term is over; this is mine." Answers whatever comes from an earlier term (§3.3).
struct TermNotice {};

// The order is on the wire (a oneof's numbers): add at the end only.
using Body =
    std::variant<PreVoteRequest, PreVoteReply, VoteRequest, VoteReply, AppendRequest, AppendReply,
                 Heartbeat, HeartbeatReply, SnapshotChunk, SnapshotChunkReply, TimeoutNow,
                 ProposeRequest, ProposeReply, ReadRequest, ReadReply, TermNotice>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;  // the sender's
  Body body;
};

}  // namespace matricula::raft
