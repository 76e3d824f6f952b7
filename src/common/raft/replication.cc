// Log replication: thesis §3.5 (appends and the consistency check), §3.6.2 (what may be committed),
// §6.2 (a leader without a quorum steps down), §10.2.1 (disk and network in parallel).
#include <algorithm>
#include <utility>

#include "common/base/ensure.h"
#include "common/raft/machine.h"
#include "common/raft/mutant.h"
#include "common/raft/quorum.h"

namespace matricula::raft {

using base::OkStatus;
using base::Status;

void Machine::TickLeader() {
  auto& leader = std::get<Leader>(role_);
  for (auto& [id, peer] : leader.peers) {
    if (peer.sender) peer.sender->Tick(config_.election_ticks);
  }
  leader.reads.Tick();
  if (++leader.heartbeat_ticks >= config_.heartbeat_ticks || leader.reads.HasOverdue()) {
    leader.heartbeat_ticks = 0;
    SendHeartbeats();
  }
  TickTransfer(leader);
  if (++leader.quorum_ticks >= config_.election_ticks) {
    leader.quorum_ticks = 0;
    CheckQuorum();
  }
}

// §6.2: a leader that hears of no quorum cannot commit anything; its clients had better look for
// another one.
void Machine::CheckQuorum() {
  auto& leader = std::get<Leader>(role_);
  if (leader.has_leavers) SyncPeers();
  const bool has_quorum = IsQuorum(DecidingConf(), [&](NodeId id) {
    const auto peer = leader.peers.find(id);
    return id == config_.id || (peer != leader.peers.end() && peer->second.active);
  });
  if (config_.check_quorum && !has_quorum) {
    BecomeFollower(term_, kNobody);
    return;
  }
  for (auto& [id, peer] : leader.peers) {
    if (!peer.active && peer.state() == Progress::State::kSnapshot) {
      ReleaseSnapshot(peer);
      peer.BecomeProbe();
    }
    peer.active = false;
  }
}

void Machine::SendHeartbeats() {
  for (const auto& [id, peer] : std::get<Leader>(role_).peers) SendHeartbeat(id, peer);
}

void Machine::SendHeartbeat(NodeId to, const Progress& peer) {
  const Index known = MutantIs(15) ? log_.commit() : std::min(peer.match(), log_.commit());
  Send(to, Heartbeat{known, std::get<Leader>(role_).reads.round()}, When::kEarly);
}

void Machine::SendAppends() {
  for (auto& [id, peer] : std::get<Leader>(role_).peers) {
    while (SendAppend(id, peer)) {
    }
  }
}

// One append, if there is reason and room for one. Early: the leader's disk works meanwhile.
bool Machine::SendAppend(NodeId to, Progress& peer) {
  const bool has_entries = peer.next() <= log_.last();
  if (!peer.CanSend() || !(has_entries || peer.MustSend(log_.commit()))) return false;
  if (peer.next() < log_.first()) {
    WantSnapshot(to, peer);
    return false;
  }
  const Index prev = peer.next() - 1;
  const std::optional<Term> prev_term = log_.TermAt(prev);
  std::vector<Entry> entries;
  if (has_entries && peer.Room() > 0) {
    entries = log_.Slice(peer.next(), log_.last(), std::min(config_.max_append_bytes, peer.Room()));
    if (entries.empty()) return false;  // cannot be read: the driver knows
  }
  if (!prev_term) return false;
  size_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.Cost();
  const Index last = prev + entries.size();
  Send(to, AppendRequest{prev, *prev_term, log_.commit(), std::move(entries)}, When::kEarly);
  peer.OnSent(last, bytes, log_.commit());
  return true;
}

void Machine::AppendOwn(EntryType type, std::vector<Payload> payloads) {
  size_t& uncommitted_bytes = std::get<Leader>(role_).uncommitted_bytes;
  std::vector<Entry> entries;
  entries.reserve(payloads.size());
  Index next = log_.last() + 1;
  for (Payload& payload : payloads) {
    entries.push_back({next, term_, type, std::move(payload)});
    uncommitted_bytes += entries.back().Cost();
    ++next;
  }
  log_.Append(std::move(entries));
  // §10.2.1: not a vote of this node's own yet; that is cast by Persisted.
  if (MutantIs(7)) MaybeCommit();
}

void Machine::MaybeCommit() {
  const auto& leader = std::get<Leader>(role_);
  const uint64_t reached = Reached(DecidingConf(), [&](NodeId id) {
    if (id == config_.id) return (MutantIs(7) ? log_.last() : log_.persisted()).value();
    const auto peer = leader.peers.find(id);
    return peer == leader.peers.end() ? 0 : peer->second.match().value();
  });
  const Index index(reached);
  if (index <= log_.commit()) return;
  // §3.6.2, figure 3.7: an entry of an earlier term that is on a majority may still be replaced.
  // It is committed by one of this term above it, never by counting.
  if (!log_.Has(index, term_) && !MutantIs(2)) return;
  AdvanceCommit(index);
}

void Machine::AdvanceCommit(Index index) {
  auto& leader = std::get<Leader>(role_);
  leader.uncommitted_bytes -=
      log_.CostBetween(std::max(log_.commit() + 1, leader.first_own), index);
  log_.CommitTo(index);
  ReleaseReads();
  FinishConfChange();
}

// Puts entries of a leader, the first of which is new or differs, into this log, together with the
// configurations among them.
void Machine::TakeEntries(std::vector<Entry> entries) {
  if (entries.empty()) return;
  if (entries.front().index <= log_.last()) confs_.TruncateFrom(entries.front().index);
  for (const Entry& entry : entries) {
    if (entry.type != EntryType::kConf) continue;
    base::Result<ConfEntry> conf = DecodeConfEntry(entry.payload.view());
    ENSURE(conf.ok(), "a message was not checked before it was taken");
    // §4.1: in force as soon as it stands in the log.
    confs_.Append(entry.index, std::move(conf->conf));
  }
  log_.Append(std::move(entries));
}

Status Machine::On(const Message& message, const AppendRequest& request) {
  FollowLeader(message.from);
  if (request.prev_index < log_.commit()) {
    // An old one. What is committed is equal everywhere, so the leader can go on from there.
    AcknowledgeCommit(message.from);
    return OkStatus();
  }
  if (!log_.Has(request.prev_index, request.prev_term)) {
    if (MutantIs(16)) log_.CommitTo(std::min(request.commit, log_.last()));
    // §3.5, end: name the last entry that could be shared, so that whole terms are skipped.
    const Index hint = log_.LastUpTo(request.prev_index, request.prev_term);
    Send(
        message.from,
        AppendReply{false, Index(0), request.prev_index, hint, log_.TermAt(hint).value_or(Term(0))},
        When::kEarly);
    return OkStatus();
  }
  // §3.5: only a conflict truncates. An entry that is there already stays, with all after it: this
  // message may be older than them.
  const auto fresh = std::find_if(
      request.entries.begin(), request.entries.end(),
      [&](const Entry& entry) { return MutantIs(4) || !log_.Has(entry.index, entry.term); });
  TakeEntries({fresh, request.entries.end()});
  const Index match = request.prev_index + request.entries.size();
  log_.CommitTo(std::min(request.commit, match));
  // Late: says that these entries are durable here.
  AppendReply reply{true, match, Index(0), Index(0), Term(0)};
  Send(message.from, reply, MutantIs(11) ? When::kEarly : When::kLate);
  return OkStatus();
}

Status Machine::On(const Message& message, const AppendReply& reply) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->peers.count(message.from) == 0) return OkStatus();
  if (reply.match > log_.last()) {
    return {base::Code::kInvalidArgument, "an entry was acknowledged that does not exist"};
  }
  Progress& peer = leader->peers.at(message.from);
  if (!reply.taken) {
    // The last entry that both logs can have in common, judged from this side.
    peer.OnRefused(reply.rejected, log_.LastUpTo(reply.hint_index, reply.hint_term));
    return OkStatus();
  }
  const bool news = peer.OnTaken(reply.match);
  if (peer.state() == Progress::State::kProbe) {
    peer.BecomeReplicate();
  } else if (peer.state() == Progress::State::kSnapshot && peer.next() >= log_.first()) {
    ReleaseSnapshot(peer);
    peer.BecomeReplicate();
  }
  MaybeHandOver(*leader, message.from);
  if (news && leader->has_leavers) SyncPeers();
  if (news) MaybeCommit();
  return OkStatus();
}

Status Machine::On(const Message& message, const Heartbeat& heartbeat) {
  FollowLeader(message.from);
  if (heartbeat.commit > log_.last()) {
    return {base::Code::kDataLoss, "the log ends before what this node has acknowledged"};
  }
  log_.CommitTo(heartbeat.commit);
  Send(message.from, HeartbeatReply{heartbeat.round}, When::kEarly);
  return OkStatus();
}

Status Machine::On(const Message& message, const HeartbeatReply& reply) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->peers.count(message.from) == 0) return OkStatus();
  Progress& peer = leader->peers.at(message.from);
  if (reply.round <= leader->reads.round() && reply.round > peer.round) {
    peer.round = reply.round;
    peer.round_place = leader->round_answers++;
  }
  peer.OnHeartbeatReply(log_.last());
  MaybeHandOver(*leader, message.from);
  ReleaseReads();
  return OkStatus();
}

// Its term has done its work in SettleTerm.
Status Machine::On(const Message&, const TermNotice&) { return OkStatus(); }

std::vector<PeerProgress> Machine::peers() const {
  std::vector<PeerProgress> all;
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return all;
  const ConfState& conf = confs_.Latest().conf;
  for (const auto& [id, peer] : leader->peers) {
    all.push_back({id, peer.state(), peer.match(), peer.active, !conf.IsVoter(id)});
  }
  const PeerProgress self{config_.id, Progress::State::kReplicate, log_.persisted(), true,
                          !conf.IsVoter(config_.id)};
  all.insert(std::upper_bound(all.begin(), all.end(), self,
                              [](const auto& a, const auto& b) { return a.id < b.id; }),
             self);
  return all;
}

}  // namespace matricula::raft
