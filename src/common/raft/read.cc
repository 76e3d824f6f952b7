// Linearizable reads: thesis §6.4. The book-keeping is in read_index.h.
#include <algorithm>

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
  leader.reads.BeginRound();
  SendHeartbeats();
  ReleaseReads();
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

Status Machine::On(const Message& message, const ReadRequest& request) {
  auto* own = std::get_if<Leader>(&role_);
  if (own == nullptr || own->reads.size() >= config_.max_pending_reads) {
    Send(message.from, ReadReply{request.ticket, false, Index(0)}, When::kEarly);
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
