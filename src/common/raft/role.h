#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>

#include "common/raft/progress.h"
#include "common/raft/read_index.h"
#include "common/raft/snapshot.h"
#include "common/raft/types.h"

// What a node knows in each of its roles. A field that makes sense in one role only exists in that
// role only.
namespace matricula::raft {

struct Follower {
  NodeId leader = kNobody;
  ForwardedReads reads;
  std::optional<ChunkReceiver> receiver;  // a snapshot that is arriving from the leader
};

struct PreCandidate {
  std::map<NodeId, bool> votes;
};

struct Candidate {
  std::map<NodeId, bool> votes;
};

struct Transfer {
  NodeId target;
  int ticks = 0;
};

struct Leader {
  // Everybody who is to receive the log, this node excepted: the members of the configuration in
  // force, of the committed one before it as long as the former is not committed, and whoever has
  // yet to learn that he is no member any more.
  std::map<NodeId, Progress> peers;
  bool has_leavers = false;      // any of the last sort
  Index first_own;               // the entry that opened this term
  size_t uncommitted_bytes = 0;  // of this term's entries
  int heartbeat_ticks = 0;
  int quorum_ticks = 0;
  ReadQueue reads;
  uint64_t round_answers = 0;  // how often anybody has answered a newer round than before
  std::optional<Transfer> transfer;
  std::map<NodeId, Ticket> last_forwarded;  // the newest proposal taken from each follower
};

using RoleState = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace matricula::raft
