#pragma once

#include <any>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/done.h"
#include "common/base/status.h"
#include "common/raft/config.h"
#include "common/raft/core.h"
#include "common/replication/ports.h"
#include "common/replication/waiters.h"

namespace matricula::replication {

// Carries out, through the three ports, what the core of one member wants done. No thread and no
// clock of its own: whoever owns it makes the calls, one at a time (Node in the daemon, the
// simulator in its tests).
//
//   give it inputs (Tick, Receive, Propose, Read, …), as many as are waiting;
//   while (driver.Begin()) driver.Finish();
//
// Begin takes what has come together since and sends what may leave before the disk has done its
// work. Finish writes, syncs, sends the rest, applies, answers. Between the two the disk is what
// everybody waits for; inputs may come then too, and become the next batch.
//
// How a caller learns what became of a proposal:
//   a value            done: agreed on, and applied here; the value is the state machine's answer
//   Unavailable,       not taken, or lost with the leadership: certainly without effect, now and
//   ResourceExhausted  for ever; may be tried again
//   InvalidArgument,   refused, likewise without effect
//   FailedPrecondition
//   OutcomeUnknown     it may have taken effect, or may yet
// Every proposal has a name of its own in its log entry (envelope.h), so that the one who waits
// recognises it wherever it comes by, also when the answer of a leader far away was lost.
class Driver {
 public:
  struct Options {
    raft::Config raft;  // its incarnation is the log store's
    // The members of a new group; empty on a node that joins one. Of no meaning later.
    raft::ConfState first_conf;
    // Log and state machine are one engine, which makes things durable in the order of writing.
    // Then a log write also makes durable what was applied before it, and compaction needs no sync.
    bool one_engine = false;
    // Longest that a proposal is waited for.
    int proposal_timeout_ticks = 50;
    // Waiting and under way; more are refused.
    size_t max_proposals = 100'000;
    // Compaction begins when this many entries can go.
    uint64_t compaction_step = 1'000;
    // A log larger than this is compacted although a peer may need a snapshot then.
    uint64_t max_log_bytes = uint64_t{256} << 20;
    // Called when role, term, leader or membership has changed.
    std::function<void(const raft::Standing&)> on_standing;
  };

  using ProposalDone = base::Done<std::any>;
  // The state machine has applied all that was acknowledged anywhere when the read was asked for;
  // the value is that index. Unavailable: could not be confirmed, may be tried again.
  using ReadDone = base::Done<raft::Index>;

  // Opens what the ports hold, and finishes what a crash left half done. The ports must outlive the
  // driver. Errors: InvalidArgument (a wrong configuration), DataLoss (log and state machine do not
  // belong together), and those of the ports.
  static base::Result<std::unique_ptr<Driver>> Open(Options options, LogStore& log,
                                                    Transport& transport,
                                                    StateMachine& state_machine);
  // Whoever still waits is told OutcomeUnknown (proposals) or Unavailable (reads).
  ~Driver();

  // --- inputs ---

  void Tick();
  void Receive(const raft::Message& message);
  void PeerUnreachable(raft::NodeId peer);
  void PeerGone(raft::NodeId peer);
  void Propose(std::string command, ProposalDone done);
  void Read(ReadDone done);
  // The change's context is handed to the state machine with the new configuration. Done when the
  // first configuration on the way (the joint one, if there is one) has been agreed on. On a node
  // that does not lead: FailedPrecondition.
  void ChangeMembers(raft::ConfChange change, ProposalDone done);
  raft::TransferOutcome TransferLeadership(raft::NodeId target);

  // --- the crank ---

  // False if there is nothing to do, or the driver has failed.
  bool Begin();
  // What Begin has taken needs the disk.
  bool NeedsSync() const;
  // Not ok: a port has failed, or the log turned out to have lost what it once had. Nothing more is
  // acknowledged, everybody who waits has been told so, and every later call does nothing.
  base::Status Finish();

  // What Begin has taken is messages, which have left, and answers to reads. FinishTalk does then
  // what Finish would, short of housekeeping, and takes no longer than telling those who wait.
  bool OnlyTalk() const { return in_hand_ && in_hand_->OnlyTalk(); }
  void FinishTalk();

  // Whether the state machine has work left that nobody waits for. A step of it is done after every
  // output; when there is none to do, the owner calls KeepHouse as often as it likes.
  bool HasHousekeeping() const { return failure_.ok() && housekeeping_; }
  void KeepHouse();

  // A snapshot whose Prepare is to be called, anywhere; null if there is none. The answer goes to
  // SnapshotPrepared. Both it and the driver's own reference may be the last.
  std::shared_ptr<SnapshotSource> TakeSnapshotToPrepare();
  void SnapshotPrepared(const std::shared_ptr<SnapshotSource>& source, const base::Status& status);

  // --- what is known ---

  const raft::Core& core() const { return *core_; }
  const base::Status& failure() const { return failure_; }  // ok until then
  struct Counts {
    uint64_t refused_messages = 0;  // that no correct peer would have sent
    uint64_t snapshots_begun = 0;   // for peers that were too far behind
    uint64_t snapshots_installed = 0;
  };
  const Counts& counts() const { return counts_; }
  uint64_t refused_messages() const { return counts_.refused_messages; }
  // Proposals whose outcome somebody waits for.
  size_t waiting() const { return proposals_.size() + waiters_.size(); }
  // Of the last entry that was applied, and the configuration there.
  const raft::SnapshotMeta& applied() const { return applied_; }

 private:
  struct Outgoing {
    std::shared_ptr<SnapshotSource> source;
    bool taken = false;  // somebody prepares it
    bool ready = false;
  };
  struct Proposal {
    std::string command;
    ProposalDone done;
  };
  Driver(Options options, LogStore& log, Transport& transport, StateMachine& state_machine);

  // Commands, and what they point into.
  struct Batch {
    std::vector<Command> commands;
    std::deque<raft::ConfState> confs;
    std::deque<raft::Payload> contexts;
    // By entry: 0, or the number of the proposal that waits here, and its answer.
    std::vector<uint64_t> numbers;
    std::vector<std::any> answers;
  };

  base::Status Start();
  base::Status Reconcile();
  void Fail(base::Status status);

  bool IsRemoved() const;  // or not yet added, as far as its state tells
  void SubmitProposals();
  void SubmitSlice(std::span<Proposal> slice);
  void SubmitReads();

  // In the order of the output (driver_output.cc).
  base::Status CarryOut();
  base::Status Persist();
  base::Status InstallSnapshot(const raft::SnapshotMeta& meta);
  void SendLate();
  base::Status ApplyCommitted();
  base::Status Unpack(const std::vector<raft::Entry>& entries, Batch& batch) const;
  void AnswerReads();
  void AnswerAppliedReads();
  void SettleProposals();
  base::Status CompactLog();

  // driver_snapshots.cc
  base::Status MoveSnapshots();
  void WantSnapshot(const raft::Ticket& transfer);
  void AnnounceSnapshot(const raft::Ticket& transfer, const SnapshotSource& source);
  base::Status SendChunk(const raft::ChunkOrder& order);
  base::Status StageChunk(const raft::StagedChunk& chunk);

  Options options_;
  LogStore& log_;
  Transport& transport_;
  StateMachine& state_machine_;
  std::unique_ptr<raft::Core> core_;
  base::Status failure_;
  int64_t now_tick_ = 0;
  uint64_t last_number_ = 0;  // of the proposals' names
  Counts counts_;
  bool housekeeping_ = true;

  raft::SnapshotMeta applied_;
  raft::Index durable_applied_;  // the state machine has it even after a crash

  std::vector<Proposal> proposals_;  // not yet shown to the core
  Waiters waiters_;
  std::vector<ReadDone> reads_;  // not yet shown to the core
  std::map<raft::Ticket, std::vector<ReadDone>> asked_reads_;
  std::multimap<raft::Index, std::vector<ReadDone>> confirmed_reads_;  // by index to be applied

  std::optional<raft::Output> in_hand_;                         // between Begin and Finish
  std::map<raft::Ticket, std::shared_ptr<Outgoing>> outgoing_;  // by transfer
};

}  // namespace matricula::replication
