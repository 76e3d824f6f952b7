// Linearizable reads: thesis §6.4. The book-keeping is in read_index.h.
#include <algorithm>
#include <utility>
#include <vector>

#include "common/raft/machine.h"
#include "common/raft/mutant.h"
#include "common/raft/quorum.h"

namespace matricula::raft {

using base::OkStatus;
using base::Status;

ReadTicket Machine::ReadIndex() {
  if (auto* own = std::get_if<Leader>(&role_)) {
    if (own->reads.size() >= config_.max_pending_reads) return {};
    const Ticket ticket = NextTicket();
    AddRead(*own, ticket);
    return {ticket};
  }
  auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || follower->leader == kNobody ||
      follower->reads.size() >= config_.max_pending_reads) {
    return {};
  }
  const Ticket ticket = NextTicket();
  follower->reads.Add(ticket);
  Send(follower->leader, ReadRequest{ticket}, When::kEarly);
  return {ticket};
}

void Machine::AddRead(Leader& leader, const Ticket& ticket) {
  if (MutantIs(23)) {
    AnswerRead(ticket, true, log_.commit());
    return;
  }
  // Whatever was committed before this read, by any leader, stands before this term's first entry
  // or is known to this leader as committed.
  const Index index = MutantIs(3) ? log_.commit() : std::max(log_.commit(), leader.first_own);
  leader.reads.Add(ticket, index);
}

void Machine::BeginReadRound(Leader& leader) {
  if (!leader.reads.NeedsRound()) return;
  const std::vector<NodeId> asked = Respondents(leader);
  leader.reads.BeginRound();
  for (auto& [id, peer] : leader.peers) {
    if (asked.empty() || std::find(asked.begin(), asked.end(), id) != asked.end()) {
      SendHeartbeat(id, peer);
    } else if (MutantIs(25)) {
      peer.round = leader.reads.round();
    }
  }
  ReleaseReads();
}

// Who is asked to confirm that this node still leads: together with it a quorum, and no more, as
// long as they can be expected to answer soon. Nobody in particular (empty): then everybody is.
//
// Safe, because §6.4 is content with the answers of any quorum that come after the read: who was
// asked does not matter to ReleaseReads, only who has answered. Cheap, because on a quiet group the
// second answer of three is awaited by nobody, yet wakes a whole process. Live, because whatever
// has not been answered when a tick comes is asked of everybody at that tick, and so is all that
// comes until it is.
//
// Soon means: it has nothing to write, so no disk can hold it up. While entries are on their way to
// too many, the fastest of all answers is worth the others. And among the others, whoever answered
// the newest round first: one that falls silent is passed over once a round has been answered
// without it, and every tick with a read on its way is a race that the fastest wins.
std::vector<NodeId> Machine::Respondents(const Leader& leader) const {
  if (leader.reads.HasOverdue()) return {};
  std::vector<std::pair<NodeId, const Progress*>> ready;
  for (const auto& [id, peer] : leader.peers) {
    if (peer.state() == Progress::State::kReplicate && peer.match() == log_.last()) {
      ready.emplace_back(id, &peer);
    }
  }
  std::sort(ready.begin(), ready.end(), [](const auto& a, const auto& b) {
    if (a.second->round != b.second->round) return a.second->round > b.second->round;
    return a.second->round_place < b.second->round_place;
  });
  std::vector<NodeId> candidates{config_.id};
  for (const auto& [id, peer] : ready) candidates.push_back(id);
  return FirstQuorum(DecidingConf(), candidates);
}

void Machine::ReleaseReads() {
  auto& leader = std::get<Leader>(role_);
  // §6.4, step 1: a leader that has committed nothing in its term may not know all that is.
  if (log_.commit() < leader.first_own && !MutantIs(3)) return;
  if (leader.reads.size() == 0) return;
  // Step 3: a quorum has answered after the read came, so nobody else led before that.
  const uint64_t round = Reached(DecidingConf(), [&](NodeId id) {
    if (id == config_.id) return leader.reads.round();
    const auto peer = leader.peers.find(id);
    return peer == leader.peers.end() ? 0 : peer->second.round;
  });
  for (const ReadQueue::Read& read : leader.reads.TakeConfirmed(round)) {
    AnswerRead(read.ticket, true, read.index);
  }
}

void Machine::AnswerRead(const Ticket& ticket, bool confirmed, Index index) {
  if (ticket.node == config_.id) {
    out_.reads.push_back({ticket, confirmed, index});
  } else {
    Send(ticket.node, ReadReply{ticket, confirmed, index}, When::kEarly);
  }
}

// §6.4 wants to hear, after a read came, from a quorum that knows of no later leader. What a
// follower forwards came to it before it wrote the message, and the message is of this term; so in
// a group of three it is all that there is to hear. Of reads that came to others it says nothing:
// it may have been long on its way.
bool Machine::ConfirmsItself(const Leader& leader, NodeId from) const {
  if (log_.commit() < leader.first_own && !MutantIs(3)) return false;
  return IsQuorum(DecidingConf(), [&](NodeId id) { return id == config_.id || id == from; }) ||
         MutantIs(25);
}

Status Machine::On(const Message& message, const ReadRequest& request) {
  auto* own = std::get_if<Leader>(&role_);
  if (own == nullptr || own->reads.size() >= config_.max_pending_reads) {
    Send(message.from, ReadReply{request.ticket, false, Index(0)}, When::kEarly);
  } else if (ConfirmsItself(*own, message.from)) {
    AnswerRead(request.ticket, true, log_.commit());
  } else {
    AddRead(*own, request.ticket);
  }
  return OkStatus();
}

Status Machine::On(const Message&, const ReadReply& reply) {
  auto* follower = std::get_if<Follower>(&role_);
  if (follower != nullptr && follower->reads.Take(reply.ticket)) {
    AnswerRead(reply.ticket, reply.confirmed, reply.index);
  }
  return OkStatus();
}

}  // namespace matricula::raft
