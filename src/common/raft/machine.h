#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "common/raft/core.h"
#include "common/raft/log.h"
#include "common/raft/random.h"
#include "common/raft/role.h"

namespace matricula::raft {

// The inside of Core, whose public members these are; their contracts stand there. Each group of
// members has a file of its own.
class Machine {
 public:
  Machine(const Config& config, const Restored& restored, const LogView& view);

  // machine.cc
  void Tick();
  base::Status Step(const Message& message);
  Output TakeOutput();
  void Persisted(uint64_t sequence);
  void Applied(Index index);
  void Compacted(Index first);
  void PeerUnreachable(NodeId peer);
  const Config& config() const { return config_; }
  const Log& log() const { return log_; }
  const ConfHistory& confs() const { return confs_; }
  const RoleState& role() const { return role_; }
  Term term() const { return term_; }
  NodeId vote() const { return vote_; }
  Standing standing() const;

  // election.cc
  void Campaign();
  void PeerGone(NodeId peer);

  // proposal.cc
  Proposed Propose(std::vector<Payload> payloads);

  // reconfiguration.cc
  Proposed ProposeConfChange(const ConfChange& change);

  // read.cc
  ReadTicket ReadIndex();

  // transfer.cc
  TransferOutcome TransferLeadership(NodeId target);
  NodeId transfer_target() const;

  // snapshot_transfer.cc
  void SnapshotReady(const Ticket& transfer, const SnapshotMeta& meta, uint64_t total_bytes);
  void SnapshotFailed(const Ticket& transfer);
  void SnapshotStored(const Ticket& transfer, bool good);
  SnapshotMeta AppliedMeta() const;
  Index CompactionLimit() const;

  // replication.cc
  std::vector<PeerProgress> peers() const;

 private:
  enum class When { kEarly, kLate };

  // machine.cc: dispatch, roles, and what goes out.
  base::Status Dispatch(const Message& message);
  // Deals with the terms of both sides (§3.3). False: the message goes no further.
  bool SettleTerm(const Message& message);
  // The sender leads the current term: follow it.
  void FollowLeader(NodeId leader);
  void BecomeFollower(Term term, NodeId leader);
  void LeaveRole();
  void SetTerm(Term term, NodeId vote);
  // Early only if nothing that the message stands on is still to be made durable.
  void Send(NodeId to, Body body, When when);
  void CollectDurable(Output& output);
  NodeId leader() const;
  bool TermIsDurable() const;
  Ticket NextTicket() { return {config_.id, config_.incarnation, ++tickets_}; }
  // The configuration by which everything is decided.
  const ConfState& DecidingConf() const;
  void ResetElectionTimer();
  void CheckInvariants();

  // election.cc
  void TickElection();
  bool MayCampaign() const;
  bool InLease() const;
  int LoyalTicks() const;
  int PatientTicks() const;
  void BecomePreCandidate();
  void BecomeCandidate(bool transfer);
  void BecomeLeader();
  void CountVotes();
  base::Status On(const Message& message, const PreVoteRequest& request);
  base::Status On(const Message& message, const PreVoteReply& reply);
  base::Status On(const Message& message, const VoteRequest& request);
  base::Status On(const Message& message, const VoteReply& reply);

  // replication.cc
  void TickLeader();
  void CheckQuorum();
  void SendHeartbeats();
  void SendHeartbeat(NodeId to, const Progress& peer);
  void SendAppends();
  bool SendAppend(NodeId to, Progress& peer);
  void AppendOwn(EntryType type, std::vector<Payload> payloads);
  void TakeEntries(std::vector<Entry> entries);
  void MaybeCommit();
  void AdvanceCommit(Index index);
  base::Status On(const Message& message, const AppendRequest& request);
  base::Status On(const Message& message, const AppendReply& reply);
  base::Status On(const Message& message, const Heartbeat& heartbeat);
  base::Status On(const Message& message, const HeartbeatReply& reply);
  base::Status On(const Message& message, const TermNotice& notice);

  // proposal.cc
  bool TooLarge(const std::vector<Payload>& payloads) const;
  ProposeOutcome AdmitProposal(const Leader& leader, const std::vector<Payload>& payloads) const;
  base::Status On(const Message& message, const ProposeRequest& request);
  base::Status On(const Message& message, const ProposeReply& reply);

  // reconfiguration.cc
  void AppendConf(ConfEntry entry);
  void SyncPeers();
  void FinishConfChange();
  void StepDownRemoved();

  // read.cc
  void AddRead(Leader& leader, const Ticket& ticket);
  void BeginReadRound(Leader& leader);
  std::vector<NodeId> Respondents(const Leader& leader) const;
  bool ConfirmsItself(const Leader& leader, NodeId from) const;
  void ReleaseReads();
  void AnswerRead(const Ticket& ticket, bool confirmed, Index index);
  base::Status On(const Message& message, const ReadRequest& request);
  base::Status On(const Message& message, const ReadReply& reply);

  // transfer.cc
  void TickTransfer(Leader& leader);
  void MaybeHandOver(Leader& leader, NodeId from);
  base::Status On(const Message& message, const TimeoutNow& request);

  // snapshot_transfer.cc
  void WantSnapshot(NodeId to, Progress& peer);
  void ReleaseSnapshot(Progress& peer);
  Progress* FindTransfer(const Ticket& transfer);
  void OrderChunks(Leader& leader);
  void DiscardStaged();
  bool AlreadyHas(const SnapshotMeta& meta);
  void Install(const SnapshotMeta& meta);
  void AcknowledgeCommit(NodeId to);
  base::Status On(const Message& message, const SnapshotChunk& chunk);
  base::Status On(const Message& message, const SnapshotChunkReply& reply);

  Config config_;
  Random random_;
  Log log_;
  ConfHistory confs_;
  Term term_;
  NodeId vote_;
  RoleState role_;
  int elapsed_ticks_ = 0;     // since a leader was heard of, a vote given, or an election begun
  int timeout_ticks_ = 0;     // drawn anew for each election
  bool leader_gone_ = false;  // it is said to be, and has not been heard of since
  uint64_t tickets_ = 0;

  Output out_;  // what has come together since the last TakeOutput
  Standing told_standing_;
  uint64_t sequence_ = 0;
  HardState written_;  // last handed out to be made durable
  HardState durable_;  // reported to be durable
  std::deque<std::pair<uint64_t, HardState>> writing_;

  HardState checked_;  // as of the last check of the invariants
};

}  // namespace matricula::raft
