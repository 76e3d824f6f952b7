// Handing leadership over: thesis §3.10.
#include "common/raft/machine.h"

namespace matricula::raft {

TransferOutcome Machine::TransferLeadership(NodeId target) {
  auto* own = std::get_if<Leader>(&role_);
  if (own == nullptr) return TransferOutcome::kNotLeader;
  if (target == config_.id) return TransferOutcome::kAlreadyLeader;
  const ConfState& conf = confs_.Latest().conf;
  if (!std::binary_search(conf.voters.begin(), conf.voters.end(), target)) {
    return TransferOutcome::kNotVoter;
  }
  if (own->transfer && own->transfer->target == target) return TransferOutcome::kStarted;
  own->transfer = Transfer{target};
  Progress& peer = own->peers.at(target);
  if (peer.match() != log_.last()) peer.Nudge();
  MaybeHandOver(*own, target);
  return TransferOutcome::kStarted;
}

NodeId Machine::transfer_target() const {
  const auto* own = std::get_if<Leader>(&role_);
  return own != nullptr && own->transfer ? own->transfer->target : kNobody;
}

void Machine::TickTransfer(Leader& leader) {
  // The target is slow or dead: take proposals again. If it was told to go and still wins, fine.
  if (leader.transfer && ++leader.transfer->ticks >= config_.election_ticks)
    leader.transfer.reset();
}

// Called when `from` may have caught up. Said again at every answer of the target, in case it got
// lost; only the first that arrives has an effect, because the target's term moves on.
void Machine::MaybeHandOver(Leader& leader, NodeId from) {
  if (!leader.transfer || leader.transfer->target != from) return;
  const auto peer = leader.peers.find(from);
  if (peer == leader.peers.end() || peer->second.match() != log_.last()) return;
  Send(from, TimeoutNow{}, When::kEarly);
}

base::Status Machine::On(const Message& message, const TimeoutNow&) {
  FollowLeader(message.from);
  // Without a pre-vote: everybody else still hears from the leader and would refuse one.
  if (MayCampaign()) BecomeCandidate(/*transfer=*/true);
  return base::OkStatus();
}

}  // namespace matricula::raft
