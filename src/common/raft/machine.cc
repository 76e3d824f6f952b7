#include "common/raft/machine.h"

#include <algorithm>
#include <string>

#include "common/base/ensure.h"
#include "common/raft/invariants.h"
#include "common/raft/mutant.h"
#include "common/raft/validate.h"

namespace matricula::raft {
namespace {

constexpr size_t kScanBytes = size_t{1} << 20;

// The configurations that stand in the log after what was applied.
ConfHistory RestoreConfs(const Restored& restored, const LogView& view) {
  ConfHistory confs(restored.applied, restored.conf);
  const Index last = view.LastIndex();
  for (Index next = restored.applied + 1; next <= last;) {
    const std::vector<Entry> entries = view.Read(next, last, kScanBytes);
    if (entries.empty()) break;  // cannot be read: the driver knows
    for (const Entry& entry : entries) {
      if (entry.type != EntryType::kConf) continue;
      base::Result<ConfEntry> conf = DecodeConfEntry(entry.payload.view());
      ENSURE(conf.ok(), "a configuration entry in the log cannot be read");
      confs.Append(entry.index, conf->conf);
    }
    next = entries.back().index + 1;
  }
  return confs;
}

// A request of an earlier term is answered, so that its sender learns that the world went on.
bool AsksForAnswer(const Body& body) {
  return std::holds_alternative<PreVoteRequest>(body) ||
         std::holds_alternative<VoteRequest>(body) || std::holds_alternative<AppendRequest>(body) ||
         std::holds_alternative<Heartbeat>(body) || std::holds_alternative<SnapshotChunk>(body) ||
         std::holds_alternative<ProposeRequest>(body) || std::holds_alternative<ReadRequest>(body);
}

// Only the leader of its term sends these.
bool IsFromLeader(const Body& body) {
  return std::holds_alternative<AppendRequest>(body) || std::holds_alternative<Heartbeat>(body) ||
         std::holds_alternative<SnapshotChunk>(body) || std::holds_alternative<TimeoutNow>(body);
}

}  // namespace

Machine::Machine(const Config& config, const Restored& restored, const LogView& view)
    : config_(config),
      random_(config.seed),
      log_(view, std::max(restored.hard_state.commit, restored.applied), restored.applied,
           {config.max_tail_bytes, config.max_apply_bytes}),
      confs_(RestoreConfs(restored, view)),
      term_(restored.hard_state.term),
      vote_(restored.hard_state.vote),
      written_(restored.hard_state),
      durable_(restored.hard_state) {
  ResetElectionTimer();
  told_standing_ = standing();
  CheckInvariants();
}

void Machine::Tick() {
  if (std::holds_alternative<Leader>(role_)) {
    TickLeader();
  } else {
    TickElection();
  }
  CheckInvariants();
}

base::Status Machine::Step(const Message& message) {
  if (base::Status status = ValidateMessage(config_, message); !status.ok()) return status;
  if (!SettleTerm(message)) return base::OkStatus();
  if (auto* leader = std::get_if<Leader>(&role_)) {
    const auto peer = leader->peers.find(message.from);
    if (peer != leader->peers.end()) peer->second.active = true;
  }
  base::Status status = Dispatch(message);
  CheckInvariants();
  return status;
}

base::Status Machine::Dispatch(const Message& message) {
  return std::visit([&](const auto& body) { return On(message, body); }, message.body);
}

bool Machine::SettleTerm(const Message& message) {
  const bool pre_vote = std::holds_alternative<PreVoteRequest>(message.body);
  // "Granted" comes from a node that may still be in an earlier term; the reply names the term that
  // it is about.
  if (std::holds_alternative<PreVoteReply>(message.body) && message.term <= term_) return true;
  if (message.term < term_) {
    if (AsksForAnswer(message.body)) Send(message.from, TermNotice{}, When::kEarly);
    return false;
  }
  if (message.term == term_ || pre_vote) return true;
  if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
    // §4.2.3: who hears from a leader does not let a candidate disturb it, not even by its term.
    const bool disregard = config_.check_quorum && InLease() && !vote->transfer;
    if (disregard && !MutantIs(13)) return false;
  }
  BecomeFollower(message.term, IsFromLeader(message.body) ? message.from : kNobody);
  return true;
}

void Machine::FollowLeader(NodeId leader) {
  ENSURE(!std::holds_alternative<Leader>(role_), "two leaders in one term");
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr) {
    BecomeFollower(term_, leader);
    return;
  }
  ENSURE(follower->leader == kNobody || follower->leader == leader, "two leaders in one term");
  follower->leader = leader;
  elapsed_ticks_ = 0;
  leader_gone_ = false;
}

void Machine::BecomeFollower(Term term, NodeId leader) {
  // §3.4: the clock of a follower is set back by a leader or by a vote, not by a mere term.
  const bool keeps_waiting = std::holds_alternative<Follower>(role_) && leader == kNobody;
  LeaveRole();
  if (term > term_) SetTerm(term, kNobody);
  role_ = Follower{leader, {}, {}};
  if (!keeps_waiting) ResetElectionTimer();
}

// Whatever waits for something that this role can no longer do is given up now.
void Machine::LeaveRole() {
  if (auto* follower = std::get_if<Follower>(&role_)) {
    for (const Ticket& ticket : follower->reads.TakeAll()) AnswerRead(ticket, false, Index(0));
    if (follower->receiver) DiscardStaged();
  } else if (auto* leader = std::get_if<Leader>(&role_)) {
    for (const auto& read : leader->reads.TakeAll()) AnswerRead(read.ticket, false, Index(0));
    for (auto& [id, peer] : leader->peers) ReleaseSnapshot(peer);
  }
}

void Machine::SetTerm(Term term, NodeId vote) {
  term_ = term;
  vote_ = vote;
}

void Machine::ResetElectionTimer() {
  elapsed_ticks_ = 0;
  leader_gone_ = false;
  const auto base = static_cast<uint64_t>(config_.election_ticks);
  timeout_ticks_ = config_.election_ticks + static_cast<int>(random_.Below(base));
}

void Machine::Send(NodeId to, Body body, When when) {
  Message message{config_.id, to, term_, std::move(body)};
  // A term or vote that a crash could undo must not be seen outside.
  const bool early = when == When::kEarly && TermIsDurable();
  (early ? out_.early_messages : out_.late_messages).push_back(std::move(message));
}

bool Machine::TermIsDurable() const { return durable_.term == term_ && durable_.vote == vote_; }

NodeId Machine::leader() const {
  if (std::holds_alternative<Leader>(role_)) return config_.id;
  const auto* follower = std::get_if<Follower>(&role_);
  return follower != nullptr ? follower->leader : kNobody;
}

Standing Machine::standing() const {
  return {static_cast<Role>(role_.index()), term_, leader(),
          confs_.Latest().conf.IsMember(config_.id)};
}

const ConfState& Machine::DecidingConf() const {
  const ConfState& conf = confs_.Latest().conf;
  if (!MutantIs(5)) return conf;
  // Whoever was ever served goes on to be counted, as if it were a learner of mutant 6.
  static thread_local ConfState with_removed;
  with_removed = conf;
  with_removed.learners.clear();
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return with_removed;
  for (const auto& [id, peer] : leader->peers) {
    if (!conf.IsMember(id)) with_removed.learners.push_back(id);
  }
  return with_removed;
}

Output Machine::TakeOutput() {
  if (auto* leader = std::get_if<Leader>(&role_)) {
    BeginReadRound(*leader);
    SendAppends();
    OrderChunks(*leader);
  }
  Output output = std::exchange(out_, {});
  CollectDurable(output);
  output.committed = log_.TakeCommitted();
  if (const Standing now = standing(); now != told_standing_) {
    output.standing = told_standing_ = now;
  }
  return output;
}

void Machine::CollectDurable(Output& output) {
  HardState state{term_, MutantIs(1) ? kNobody : vote_, log_.commit()};
  const bool promised = state.term != written_.term || state.vote != written_.vote;
  if (!promised && !output.snapshot && !log_.HasUnsaved()) return;
  ENSURE(writing_.size() < Core::kMaxOutputsInFlight, "too many outputs wait for Persisted");
  output.sequence = ++sequence_;
  output.entries = log_.TakeUnsaved(sequence_);
  output.hard_state = written_ = state;
  writing_.emplace_back(sequence_, state);
}

void Machine::Persisted(uint64_t sequence) {
  ENSURE(sequence <= sequence_, "that output was never taken");
  while (!writing_.empty() && writing_.front().first <= sequence) {
    durable_ = writing_.front().second;
    writing_.pop_front();
  }
  log_.Saved(sequence);
  if (std::holds_alternative<Leader>(role_)) {
    MaybeCommit();
  } else {
    CountVotes();
  }
  CheckInvariants();
}

void Machine::Applied(Index index) {
  log_.AppliedTo(index);
  confs_.Trim(log_.applied());
  CheckInvariants();
}

void Machine::Compacted(Index first) {
  log_.Compact(first);
  CheckInvariants();
}

void Machine::PeerUnreachable(NodeId peer) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  const auto found = leader->peers.find(peer);
  if (found != leader->peers.end()) found->second.OnUnreachable();
}

void Machine::CheckInvariants() {
  CheckCheaply(*this, checked_);
  if (config_.check_thoroughly) CheckThoroughly(*this);
  checked_ = {term_, vote_, log_.commit()};
}

}  // namespace matricula::raft
