#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/raft/message.h"
#include "common/raft/types.h"

namespace matricula::raft {

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// Where a node stands. `leader` is kNobody while none is known.
struct Standing {
  Role role = Role::kFollower;
  Term term;
  NodeId leader = kNobody;
  bool member = false;  // of the configuration in force; false for good once removed
  friend bool operator==(const Standing&, const Standing&) = default;
};

// `to` needs a snapshot: make or open one, then call Core::SnapshotReady or SnapshotFailed for this
// transfer, at any later time. The ticket names the file for as long as it is needed.
struct SnapshotWanted {
  NodeId to;
  Ticket transfer;
};

// Read bytes [offset, offset + size_bytes) of the snapshot of this transfer, and send them:
// MakeChunk makes the message.
struct ChunkOrder {
  NodeId to;
  Term term;
  Ticket transfer;
  SnapshotMeta meta;
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
  uint64_t total_bytes = 0;
};
Message MakeChunk(NodeId from, const ChunkOrder& order, Payload bytes);

// Write these bytes to the one staging file. Offset 0 starts it anew, whatever was there. With
// `last` the file is complete: check it, then call Core::SnapshotStored.
struct StagedChunk {
  Ticket transfer;
  SnapshotMeta meta;
  uint64_t offset = 0;
  Payload bytes;
  bool last = false;
};

// How a read ended. Confirmed: answer it from the state machine as soon as that has applied
// `index`. Otherwise it has been given up (leadership changed, or no answer in time); a read has no
// effect, so it may be tried again.
struct ReadAnswer {
  Ticket ticket;
  bool confirmed = false;
  Index index;
};

// What the leader answered to a forwarded proposal: appended from `first_index` on, in `term`; or
// refused, which is final. No answer may ever come: see "Fate of a proposal" at Core.
struct ProposalAnswer {
  Ticket ticket;
  bool appended = false;
  Index first_index;
  Term term;
};

// What there is to be done. The fields stand in the order in which they must be carried out, and
// one Output after the other; nothing may overtake, except that sending (1) may run while (2) is
// being written.
struct Output {
  // For Core::Persisted.
  uint64_t sequence = 0;

  // 1. Send at once: these promise nothing that a crash could break. A leader's appends are among
  //    them, so that its disk works while the network does (§10.2.1).
  std::vector<Message> early_messages;

  // 2. Make durable, in one atomic synced batch, in this order; then call Core::Persisted. Without
  //    any of the three there is nothing to sync.
  //    a. The snapshot that was staged last replaces the state machine and the whole log; the
  //       log goes on with index snapshot->index + 1.
  std::optional<SnapshotMeta> snapshot;
  //    b. Replaces the one before.
  std::optional<HardState> hard_state;
  //    c. Contiguous. Everything that the log holds from the first of them on goes away.
  std::vector<Entry> entries;

  // 3. Send now: these promise what has just been made durable (votes, acknowledgements).
  std::vector<Message> late_messages;

  // 4. Apply, in order; then call Core::Applied.
  std::vector<Entry> committed;

  // 5. Answer.
  std::vector<ReadAnswer> reads;
  std::vector<ProposalAnswer> proposals;

  // 6. Snapshots. A released transfer needs its file no more; one that is still being made need not
  //    be finished nor reported.
  std::vector<Ticket> snapshots_released;
  std::vector<SnapshotWanted> snapshots_wanted;
  std::vector<ChunkOrder> chunks_to_send;
  bool discard_staged = false;  // before chunks_to_stage: what was staged is of no use any more
  std::vector<StagedChunk> chunks_to_stage;

  // 7. Set when it has changed.
  std::optional<Standing> standing;

  bool NeedsSync() const { return snapshot || hard_state || !entries.empty(); }
  bool Empty() const;
  // Messages that promise nothing, and answers to reads: neither disk nor state machine has a part.
  bool OnlyTalk() const;
};

// What became of a call to Propose or ProposeConfChange. Everything but kAppended and kForwarded
// is a refusal: nothing was done, and the caller may try again, here or elsewhere.
enum class ProposeOutcome : uint8_t {
  kAppended,       // in this leader's log, not committed yet: `first_index`, `term`
  kForwarded,      // on its way to the leader of `term`: `ticket`
  kNoLeader,       // none is known here
  kNotLeader,      // only a leader changes the configuration
  kTransferring,   // leadership is being handed over
  kOverloaded,     // too many bytes are uncommitted
  kTooLarge,       // more than Config::max_entry_bytes
  kChangePending,  // one configuration change at a time, and none before this term has committed
  kInvalidChange,  // `reason` says why
};

struct Proposed {
  ProposeOutcome outcome = ProposeOutcome::kNoLeader;
  Term term;
  Index first_index;  // of as many entries as were proposed
  Ticket ticket;
  std::string reason;
};

}  // namespace matricula::raft
