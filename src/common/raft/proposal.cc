// Proposals, here and from followers. The rule about their fate stands at Core.
#include <algorithm>
#include <utility>

#include "common/raft/machine.h"
#include "common/raft/mutant.h"

namespace matricula::raft {

using base::OkStatus;
using base::Status;

namespace {

size_t CostOf(const std::vector<Payload>& payloads) {
  size_t bytes = 0;
  for (const Payload& payload : payloads) bytes += payload.size() + Entry::kOverheadBytes;
  return bytes;
}

}  // namespace

bool Machine::TooLarge(const std::vector<Payload>& payloads) const {
  return std::any_of(payloads.begin(), payloads.end(), [&](const Payload& payload) {
    return payload.size() + Entry::kOverheadBytes > config_.max_entry_bytes;
  });
}

// May these be appended now? All or none.
ProposeOutcome Machine::AdmitProposal(const Leader& leader,
                                      const std::vector<Payload>& payloads) const {
  if (TooLarge(payloads)) return ProposeOutcome::kTooLarge;
  if (leader.transfer) return ProposeOutcome::kTransferring;
  // A batch larger than the limit may go when it is alone.
  const size_t waiting = leader.uncommitted_bytes;
  if (waiting > 0 && waiting + CostOf(payloads) > config_.max_uncommitted_bytes) {
    return ProposeOutcome::kOverloaded;
  }
  return ProposeOutcome::kAppended;
}

Proposed Machine::Propose(std::vector<Payload> payloads) {
  Proposed result;
  result.term = term_;
  if (auto* own = std::get_if<Leader>(&role_)) {
    result.outcome = AdmitProposal(*own, payloads);
    if (result.outcome != ProposeOutcome::kAppended) return result;
    result.first_index = log_.last() + 1;
    AppendOwn(EntryType::kCommand, std::move(payloads));
    CheckInvariants();
    return result;
  }
  if (leader() == kNobody) return result;
  result.outcome = ProposeOutcome::kTooLarge;
  if (TooLarge(payloads)) return result;
  result.outcome = ProposeOutcome::kForwarded;
  result.ticket = NextTicket();
  Send(leader(), ProposeRequest{result.ticket, std::move(payloads)}, When::kEarly);
  return result;
}

Status Machine::On(const Message& message, const ProposeRequest& request) {
  auto* own = std::get_if<Leader>(&role_);
  // It led this term and stepped down. A refusal could be a lie: a copy may have been taken before.
  if (own == nullptr) return OkStatus();
  // A copy of a message, or one that was overtaken. Never twice: and since the term of the message
  // is this one, and this is its only leader, no other copy can be taken anywhere.
  Ticket& newest = own->last_forwarded[message.from];
  if (request.ticket <= newest && !MutantIs(24)) return OkStatus();
  newest = request.ticket;

  ProposeReply reply{request.ticket, false, Index(0)};
  reply.appended = AdmitProposal(*own, request.payloads) == ProposeOutcome::kAppended;
  if (reply.appended) {
    reply.first_index = log_.last() + 1;
    AppendOwn(EntryType::kCommand, request.payloads);
  }
  Send(message.from, reply, When::kEarly);
  return OkStatus();
}

Status Machine::On(const Message& message, const ProposeReply& reply) {
  const Ticket& ticket = reply.ticket;
  if (ticket.node != config_.id || ticket.incarnation != config_.incarnation) return OkStatus();
  out_.proposals.push_back({ticket, reply.appended, reply.first_index, message.term});
  return OkStatus();
}

}  // namespace matricula::raft
