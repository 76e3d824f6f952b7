#include "test/sim/manners.h"

#include <fmt/format.h>

#include <algorithm>

namespace matricula::sim {
namespace {

bool IsFromLeader(const raft::Body& body) {
  return std::holds_alternative<raft::AppendRequest>(body) ||
         std::holds_alternative<raft::Heartbeat>(body) ||
         std::holds_alternative<raft::SnapshotChunk>(body);
}

}  // namespace

void Manners::BeforeReceive(const raft::Message& message, const raft::Core& core,
                            std::optional<raft::Term> last_term) {
  heard_tick_[message.from] = now_tick_;
  const raft::Standing standing = core.standing();
  if (IsFromLeader(message.body) && message.term >= standing.term) {
    leader_heard_tick_ = now_tick_;
    leader_gone_ = false;
  }
  const int64_t loyal_ticks =
      leader_gone_ ? 2 * core.config().heartbeat_ticks : core.config().election_ticks;
  const auto judge = [&](const auto& request, bool vote, raft::Term term, bool transfer) {
    const bool complete = !last_term || std::tie(request.last_term, request.last_index) >=
                                            std::make_tuple(*last_term, core.last_index());
    // The leader himself may ask again: with a request that was late, of somebody who has restarted
    // since and knows of his vote from the disk alone.
    const bool has_leader = standing.leader != raft::kNobody && standing.leader != self_ &&
                            standing.leader != message.from &&
                            now_tick_ - leader_heard_tick_ < loyal_ticks;
    bool& may_grant = may_grant_[{message.from, vote, term}];
    may_grant = may_grant || (complete && (!has_leader || transfer));
  };
  if (const auto* request = std::get_if<raft::PreVoteRequest>(&message.body)) {
    judge(*request, false, Next(message.term), false);
  } else if (const auto* vote = std::get_if<raft::VoteRequest>(&message.body)) {
    judge(*vote, true, message.term, vote->transfer);
  }
}

void Manners::BeforeGone(raft::NodeId peer, const raft::Core& core) {
  if (core.standing().leader == peer) leader_gone_ = true;
}

void Manners::OnSend(const raft::Message& message) {
  Request request{message.to, true, message.term};
  if (const auto* reply = std::get_if<raft::PreVoteReply>(&message.body)) {
    if (!reply->granted) return;
    request = {message.to, false, reply->asked};
  } else if (const auto* vote = std::get_if<raft::VoteReply>(&message.body)) {
    if (!vote->granted) return;
  } else {
    return;
  }
  const auto found = may_grant_.find(request);
  if (found == may_grant_.end() || found->second) return;
  world_.Fail(fmt::format("replica {} grants {} a {} it should not have: it has a leader, or more",
                          self_.value(), message.to.value(),
                          std::get<1>(request) ? "vote" : "pre-vote"));
}

bool Manners::HeardFromQuorum(const std::vector<raft::NodeId>& voters) const {
  const auto heard = std::count_if(voters.begin(), voters.end(), [&](raft::NodeId id) {
    const auto found = heard_tick_.find(id);
    return id == self_ ||
           (found != heard_tick_.end() && now_tick_ - found->second <= 2 * election_ticks_ + 1);
  });
  return static_cast<size_t>(heard) > voters.size() / 2;
}

void Manners::AfterTick(const raft::Core& core) {
  ++now_tick_;
  const raft::ConfState& conf = core.conf();
  const bool quiet =
      !HeardFromQuorum(conf.voters) || (conf.IsJoint() && !HeardFromQuorum(conf.outgoing));
  // Whoever has just been added need not have been heard of yet.
  if (core.standing().role != raft::Role::kLeader || !quiet) {
    leading_since_tick_ = now_tick_;
  } else if (now_tick_ - leading_since_tick_ > 2 * election_ticks_ + 1) {
    world_.Fail(fmt::format("replica {} leads without having heard from a quorum", self_.value()));
  }
}

}  // namespace matricula::sim
