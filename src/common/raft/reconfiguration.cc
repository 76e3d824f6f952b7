// Membership changes: thesis chapter 4. Where a configuration comes from and what it is:
// membership.h.
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "common/base/ensure.h"
#include "common/raft/machine.h"
#include "common/raft/mutant.h"

namespace matricula::raft {

Proposed Machine::ProposeConfChange(const ConfChange& change) {
  Proposed result;
  result.term = term_;
  result.outcome = ProposeOutcome::kNotLeader;
  const auto* own = std::get_if<Leader>(&role_);
  if (own == nullptr) return result;

  const ConfHistory::Item& latest = confs_.Latest();
  // §4.1: the next change waits until the last one is committed. And (Ongaro, raft-dev, July 2015)
  // until this term has committed something: else two changes of one voter each, by leaders of
  // different terms, may have majorities without a common member.
  const bool pending = latest.index > log_.commit() && !MutantIs(10);
  const bool untried = log_.commit() < own->first_own && !MutantIs(22) && !MutantIs(10);
  if (own->transfer) {
    result.outcome = ProposeOutcome::kTransferring;
  } else if (pending || untried) {
    result.outcome = ProposeOutcome::kChangePending;
  } else if (TooLarge({change.context})) {
    result.outcome = ProposeOutcome::kTooLarge;
  } else if (base::Result<ConfState> next = Reconfigure(latest.conf, change); !next.ok()) {
    result.outcome = next.status().code() == base::Code::kFailedPrecondition
                         ? ProposeOutcome::kChangePending
                         : ProposeOutcome::kInvalidChange;
    result.reason = next.status().message();
  } else {
    result.outcome = ProposeOutcome::kAppended;
    result.first_index = log_.last() + 1;
    AppendConf({std::move(next).value(), change.context});
  }
  CheckInvariants();
  return result;
}

void Machine::AppendConf(ConfEntry entry) {
  const Index index = log_.last() + 1;
  AppendOwn(EntryType::kConf, {EncodeConfEntry(entry)});
  // §4.1: in force at once, for its own commit already.
  confs_.Append(index, std::move(entry.conf));
  SyncPeers();
}

// Everybody in the configuration in force receives the log, and as long as that is not committed,
// everybody in the committed one too. Who leaves should learn of it: it is served until it has the
// entry that says so, or is not heard of any more.
void Machine::SyncPeers() {
  auto& leader = std::get<Leader>(role_);
  std::set<NodeId> wanted;
  for (const ConfState* conf : confs_.Since(log_.commit())) {
    for (const NodeId id : conf->Members()) wanted.insert(id);
  }
  wanted.erase(config_.id);
  const bool newcomer = leader.first_own <= log_.last();  // and not an election's first list
  for (const NodeId id : wanted) {
    const Inflight inflight(config_.max_inflight_messages, config_.max_inflight_bytes);
    const auto [peer, added] = leader.peers.try_emplace(id, Index(0), log_.last() + 1, inflight);
    // It has had no time to be heard of: it counts as present until the next quorum check.
    if (added) peer->second.active = newcomer;
    peer->second.leaves_at = Index(0);
  }
  leader.has_leavers = false;
  for (auto peer = leader.peers.begin(); peer != leader.peers.end();) {
    if (wanted.count(peer->first) == 1 || MutantIs(5)) {
      ++peer;
      continue;
    }
    Progress& leaver = peer->second;
    if (leaver.leaves_at == Index(0)) {
      leaver.leaves_at = confs_.Latest().index;
      leaver.active = true;  // whoever was silent for a moment has until the next check, too
    }
    if (leaver.active && leaver.match() < leaver.leaves_at) {
      leader.has_leavers = true;
      ++peer;
      continue;
    }
    // The last thing it hears: how far the log is committed, its own leaving included.
    const Index known = std::min(leaver.match(), log_.commit());
    Send(peer->first, Heartbeat{known, leader.reads.round()}, When::kEarly);
    ReleaseSnapshot(leaver);
    peer = leader.peers.erase(peer);
  }
}

void Machine::FinishConfChange() {
  const ConfHistory::Item& latest = confs_.Latest();
  if (latest.index > log_.commit()) return;
  SyncPeers();
  const auto& leader = std::get<Leader>(role_);
  if (latest.conf.IsJoint()) {
    // §4.3: the joint configuration is committed, so the new one may follow.
    if (!latest.conf.auto_leave || log_.commit() < leader.first_own) return;
    base::Result<ConfState> next = Reconfigure(latest.conf, ConfChange{});
    ENSURE(next.ok(), "a joint configuration can always be left");
    AppendConf({std::move(next).value(), Payload()});
  } else if (!latest.conf.IsVoter(config_.id)) {
    StepDownRemoved();
  }
}

// §4.2.2: a leader that is no voter any more has done its last duty: the change is committed. It
// says so, and lets the voter with the longest log go first, to spare everybody the time-out.
void Machine::StepDownRemoved() {
  const auto& leader = std::get<Leader>(role_);
  SendHeartbeats();
  const ConfState& conf = confs_.Latest().conf;
  const auto ready = std::find_if(leader.peers.begin(), leader.peers.end(), [&](const auto& peer) {
    return conf.IsVoter(peer.first) && peer.second.match() == log_.last();
  });
  if (ready != leader.peers.end()) Send(ready->first, TimeoutNow{}, When::kEarly);
  BecomeFollower(term_, kNobody);
}

}  // namespace matricula::raft
