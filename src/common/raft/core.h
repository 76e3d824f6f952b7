#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/base/status.h"
#include "common/raft/config.h"
#include "common/raft/log_view.h"
#include "common/raft/membership.h"
#include "common/raft/message.h"
#include "common/raft/output.h"

namespace matricula::raft {

class Machine;

// What a node finds on its own disk when it starts. A node of a new group starts with the group's
// first configuration, everything else zero, and an empty log; a node that joins, with an empty
// configuration.
struct Restored {
  HardState hard_state;
  Index applied;   // what the state machine has durably applied
  ConfState conf;  // in force at `applied`
};

// DataLoss if the log lacks something that the rest says must be there: synced data was lost, and a
// node that went on could break promises that it has made.
base::Status CheckRestored(const Restored& restored, const LogView& log);

// How far a member's log is, as its leader knows it.
struct PeerProgress {
  enum class State : uint8_t { kProbe, kReplicate, kSnapshot };
  NodeId id;
  State state = State::kProbe;
  Index match;          // known to be durable there
  bool active = false;  // heard from since the last quorum check
  bool learner = false;
};

// What became of a call to ReadIndex. Refused if there is no `ticket`: no leader is known here, or
// too many reads wait.
struct ReadTicket {
  std::optional<Ticket> ticket;
};

enum class TransferOutcome : uint8_t { kStarted, kNotLeader, kNotVoter, kAlreadyLeader };

// One member of a raft group, as a function of what it is told: no clock, no thread, no I/O. The
// same inputs give the same outputs. This comment is the manual; § is Ongaro's thesis.
//
// TURNING THE CRANK. Give the core its inputs (Tick, Step, Propose, ReadIndex, …), as many as are
// waiting; then take one Output and carry it out in the order of its fields; then report what was
// made durable (Persisted) and applied (Applied), and take outputs until one is Empty(). Everything
// that is worth a batch forms one by itself between two calls of TakeOutput: entries become one
// write and one append per peer, reads share one round of heartbeats. The next Output may be taken
// while the last is still being written, but outputs are carried out one after the other. At most
// kMaxOutputsInFlight may wait for Persisted.
//
// TIME comes as Tick. Elections wait for Config::election_ticks up to twice as many; the draw comes
// from a generator of our own (random.h), seeded by Config::seed.
//
// ROLES. A follower that hears of no leader becomes a pre-candidate (§9.6), a candidate (§3.4),
// a leader. What only a leader knows exists only while it leads. A node that is no voter never
// stands for election, with one exception: a voter of the last committed configuration, as long as
// a later one is not committed (§4.2.2), because its log may be the only one that can win. A group
// of one elects itself at the first tick.
//
// DURABILITY. The leader's appends leave before its own disk has them: its disk is one vote among
// others, cast by Persisted (§10.2.1). Whatever promises something leaves after the sync. A message
// of a term that is not durable yet waits for the sync too: otherwise a node that forgets the term
// could win it twice.
//
// PROPOSALS. On a leader, Propose appends; on a follower it sends them on. All of one call are
// taken or none. Nothing is retried here.
//   Fate of a proposal: every one belongs to the one term for which Propose answered, forwarded
//   ones too (the leader takes them in that term only, and each at most once). It has happened once
//   its entry is in Output::committed. It can never happen any more once an entry of a later term
//   is in Output::committed before it, because terms only grow along a log, or once a
//   ProposalAnswer refuses it. Until either, the outcome is unknown: whoever gives up waiting must
//   say so and may not send it again as if nothing had happened. An installed snapshot hides the
//   entries it stands for: what waits then stays unknown unless the state machine can tell.
//
// READS. ReadIndex on any member (§6.4). Calls between two outputs share one round; followers
// forward. While no entries are under way, a round asks only as many voters as make a quorum with
// the leader; otherwise, and when a tick has found it unanswered, everybody. Where a follower and
// the leader are a quorum, what the follower forwards is answered without a round. The answer comes
// in Output::reads with the index that the state machine must have applied. A read is given up when
// leadership changes, and a forwarded one also after an election time-out, because its message may
// be lost.
//
// MEMBERSHIP. ProposeConfChange on the leader, one at a time, and not before the leader has
// committed an entry of its own term. The entry holds the whole new configuration and is in force
// at once where it is appended. A change of more than one voter goes through a joint configuration,
// which the leader ends by itself. Members that leave are served until their removal is committed,
// so that they learn of it. A leader that leaves hands over and steps down after the commit.
//
// SNAPSHOTS. When a peer needs what the log has no more, snapshots_wanted asks for one. The driver
// makes or opens a file (the state machine at its applied index, with AppliedMeta) and calls
// SnapshotReady. The core decides which bytes travel when (chunks_to_send: at most
// Config::max_inflight_chunks on their way), goes back to the last acknowledged offset when
// nothing moves for an election time-out, and gives up on a peer that is silent. At the receiver,
// chunks_to_stage writes one staging file in order; when it is complete the driver checks it and
// calls SnapshotStored; the core then either asks for its installation (Output::snapshot) or drops
// it, because the log has caught up meanwhile.
//
// COMPACTION. The driver may drop entries up to CompactionLimit() and tells Compacted first.
//
// ERRORS. Bugs of ours end the process (ENSURE; invariants.h). A message that no correct peer
// sends is refused by Step with a status and changes nothing.
class Core {
 public:
  static constexpr size_t kMaxOutputsInFlight = 64;

  // Both `config` (Validate) and `restored` (CheckRestored) must be good; `log` must outlive the
  // core.
  Core(const Config& config, const Restored& restored, const LogView& log);
  ~Core();
  Core(Core&&) noexcept;
  Core& operator=(Core&&) = delete;

  // --- inputs ---

  void Tick();
  // InvalidArgument: malformed, or not for this node. DataLoss: the sender knows this node to have
  // had what its log does not hold; its disk lost synced data and it must not go on.
  base::Status Step(const Message& message);
  Proposed Propose(std::vector<Payload> payloads);
  Proposed ProposeConfChange(const ConfChange& change);
  ReadTicket ReadIndex();
  // Brings `target` up to date, then lets it start an election (§3.10). Meanwhile proposals are
  // refused; given up after an election time-out.
  TransferOutcome TransferLeadership(NodeId target);
  // Stands for election now, as if the time-out had passed. Nothing if it may not, or leads.
  void Campaign();

  // --- what the driver reports ---

  // Everything that Output `sequence` and earlier ones wanted durable is. May be skipped for
  // outputs that need no sync.
  void Persisted(uint64_t sequence);
  // The state machine has applied all up to `index`, durably or not.
  void Applied(Index index);
  // The log is about to drop everything before `first`. It must go on knowing the term of
  // first - 1.
  void Compacted(Index first);
  // Messages to `peer` were lost, or may have been.
  void PeerUnreachable(NodeId peer);
  // Nobody is there any more, it seems: its address takes no connection. If it led, its followers
  // stand for election as soon as two heartbeats in a row are missing instead of after a whole
  // time-out. If it is not true, whoever still hears of it refuses them, and the term stays (§9.6);
  // so nothing comes of it without pre_vote.
  void PeerGone(NodeId peer);
  // The snapshot of this transfer, of `total_bytes` (> 0), is ready to be read. Nothing happens if
  // the transfer has been released.
  void SnapshotReady(const Ticket& transfer, const SnapshotMeta& meta, uint64_t total_bytes);
  // It could not be made, or not be read. Another one is wanted when the peer is heard of again.
  void SnapshotFailed(const Ticket& transfer);
  // The staging file of `transfer` is complete and good, or not.
  void SnapshotStored(const Ticket& transfer, bool good);

  // --- output ---

  // What has come together since the last call; Empty() if there is nothing to do.
  Output TakeOutput();

  // --- what is known ---

  const Config& config() const;
  Standing standing() const;
  Index commit() const;
  Index applied() const;
  Index last_index() const;
  Index first_index() const;
  // Own entries known to be durable.
  Index persisted() const;
  // Of an entry of the log, durable or not, or of the one before its first.
  std::optional<Term> TermAt(Index index) const;
  // In force here, committed or not; and where its entry stands.
  const ConfState& conf() const;
  Index conf_index() const;
  // The description of a snapshot of the state machine as last reported by Applied.
  SnapshotMeta AppliedMeta() const;
  // Entries up to this one are needed neither here nor, as far as is known, by a peer soon. Drop
  // none that the state machine has not durably applied.
  Index CompactionLimit() const;
  // On a leader all members, itself included, by id; otherwise empty.
  std::vector<PeerProgress> peers() const;
  // On a leader, who is to take over; otherwise, or if nobody is, kNobody.
  NodeId transfer_target() const;

 private:
  std::unique_ptr<Machine> machine_;
};

}  // namespace matricula::raft
