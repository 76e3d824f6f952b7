// Elections: thesis §3.4 (leader election), §3.6.1 (election restriction), §3.10 (elections that a
// leader asked for), §4.2.2 and §4.2.3 (elections while members change), §9.6 (pre-vote).
#include <algorithm>

#include "common/base/ensure.h"
#include "common/raft/machine.h"
#include "common/raft/mutant.h"
#include "common/raft/quorum.h"

namespace matricula::raft {

using base::OkStatus;
using base::Status;

namespace {

// In a row, of a leader that is said to be gone.
constexpr int kMissedHeartbeats = 2;

}  // namespace

void Machine::TickElection() {
  ++elapsed_ticks_;
  if (auto* follower = std::get_if<Follower>(&role_)) {
    for (const Ticket& ticket : follower->reads.Tick(config_.election_ticks)) {
      AnswerRead(ticket, false, Index(0));
    }
  }
  const ConfState& conf = confs_.Latest().conf;
  const bool alone = std::holds_alternative<Follower>(role_) && !conf.IsJoint() &&
                     conf.voters == std::vector<NodeId>{config_.id};
  if (elapsed_ticks_ < PatientTicks() && !alone) return;
  if (MayCampaign()) {
    Campaign();
  } else {
    // No candidate, but not loyal to the dead either: whoever asks is told that there is no leader.
    BecomeFollower(term_, kNobody);
    ResetElectionTimer();
  }
}

bool Machine::MayCampaign() const {
  // §4.2.2: as long as the latest configuration is not committed, a voter of the one before may
  // hold the only log that can win.
  const std::vector<const ConfState*> confs = confs_.Since(log_.commit());
  return std::any_of(confs.begin(), confs.end(),
                     [&](const ConfState* conf) { return conf->IsVoter(config_.id); });
}

void Machine::Campaign() {
  if (std::holds_alternative<Leader>(role_) || !MayCampaign()) return;
  if (config_.pre_vote) {
    BecomePreCandidate();
  } else {
    BecomeCandidate(/*transfer=*/false);
  }
  CheckInvariants();
}

void Machine::BecomePreCandidate() {
  LeaveRole();
  role_ = PreCandidate{{{config_.id, true}}};
  ResetElectionTimer();
  for (const NodeId voter : DecidingConf().Members()) {
    if (voter == config_.id || !DecidingConf().IsVoter(voter)) continue;
    Send(voter, PreVoteRequest{log_.last(), log_.last_term()}, When::kEarly);
  }
  CountVotes();
}

void Machine::BecomeCandidate(bool transfer) {
  LeaveRole();
  SetTerm(Next(term_), config_.id);
  role_ = Candidate{{{config_.id, true}}};
  ResetElectionTimer();
  for (const NodeId voter : DecidingConf().Members()) {
    if (voter == config_.id || !DecidingConf().IsVoter(voter)) continue;
    // Late: whoever answers must be able to rely on this node not to vote for another.
    Send(voter, VoteRequest{log_.last(), log_.last_term(), transfer}, When::kLate);
    if (MutantIs(19)) {
      out_.early_messages.push_back(std::move(out_.late_messages.back()));
      out_.late_messages.pop_back();
    }
  }
  CountVotes();
}

void Machine::CountVotes() {
  if (auto* asking = std::get_if<PreCandidate>(&role_)) {
    const Verdict verdict = Tally(DecidingConf(), asking->votes);
    if (verdict == Verdict::kWon) BecomeCandidate(/*transfer=*/false);
    if (verdict == Verdict::kLost) BecomeFollower(term_, kNobody);
  } else if (auto* candidate = std::get_if<Candidate>(&role_)) {
    // The own vote counts like any other: once it cannot be taken back.
    if (!TermIsDurable() && !MutantIs(1) && !MutantIs(19)) return;
    const Verdict verdict = Tally(DecidingConf(), candidate->votes);
    if (verdict == Verdict::kWon) BecomeLeader();
    if (verdict == Verdict::kLost) BecomeFollower(term_, kNobody);
  }
}

void Machine::BecomeLeader() {
  ENSURE(std::holds_alternative<Candidate>(role_), "only a candidate is elected");
  role_ = Leader{};
  elapsed_ticks_ = 0;
  std::get<Leader>(role_).first_own = log_.last() + 1;
  SyncPeers();
  // §6.4, §3.6.2: until an entry of its own term is committed, a leader knows neither what is
  // committed nor may it commit what earlier terms left; so it appends one at once.
  // The very first entry of a group is its first configuration, for those who join later and know
  // no other.
  if (log_.last() == Index(0)) {
    AppendConf({confs_.Latest().conf, Payload()});
  } else {
    AppendOwn(EntryType::kEmpty, {Payload()});
  }
}

bool Machine::InLease() const {
  if (std::holds_alternative<Leader>(role_)) return true;
  return leader() != kNobody && elapsed_ticks_ < LoyalTicks();
}

void Machine::PeerGone(NodeId peer) {
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower != nullptr && follower->leader == peer && config_.pre_vote) leader_gone_ = true;
}

// How long a follower holds to a leader that is silent.
int Machine::LoyalTicks() const {
  return leader_gone_ ? kMissedHeartbeats * config_.heartbeat_ticks : config_.election_ticks;
}

// How long it waits before it stands for election itself. The draw keeps candidates apart, and
// half of it does as well.
int Machine::PatientTicks() const {
  if (!leader_gone_) return timeout_ticks_;
  return std::min(timeout_ticks_, LoyalTicks() + 1 + (timeout_ticks_ - config_.election_ticks) / 2);
}

Status Machine::On(const Message& message, const PreVoteRequest& request) {
  const Term asked = Next(message.term);
  const bool log_good = log_.IsBehindOrEqual(request.last_index, request.last_term) || MutantIs(8);
  // §9.6: would this node vote for it? Not while a leader is alive.
  const bool granted = asked > term_ && !(InLease() && !MutantIs(13)) && log_good;
  Send(message.from, PreVoteReply{asked, granted}, When::kEarly);
  return OkStatus();
}

Status Machine::On(const Message& message, const PreVoteReply& reply) {
  auto* asking = std::get_if<PreCandidate>(&role_);
  if (asking == nullptr || reply.asked != Next(term_)) return OkStatus();
  asking->votes.emplace(message.from, reply.granted);
  CountVotes();
  return OkStatus();
}

Status Machine::On(const Message& message, const VoteRequest& request) {
  // §3.4: one vote in a term, first come first served, and none once a leader is known.
  const bool free = vote_ == kNobody && leader() == kNobody;
  const bool may = vote_ == message.from || free || MutantIs(18);
  // §3.6.1: a leader must have all that is committed.
  const bool log_good = log_.IsBehindOrEqual(request.last_index, request.last_term) || MutantIs(9);
  const bool granted = may && log_good;
  if (granted) {
    SetTerm(term_, message.from);
    elapsed_ticks_ = 0;
    leader_gone_ = false;
  }
  // Late: a vote is a promise.
  Send(message.from, VoteReply{granted}, When::kLate);
  return OkStatus();
}

Status Machine::On(const Message& message, const VoteReply& reply) {
  auto* candidate = std::get_if<Candidate>(&role_);
  if (candidate == nullptr) return OkStatus();
  candidate->votes.emplace(message.from, reply.granted);
  CountVotes();
  return OkStatus();
}

}  // namespace matricula::raft
