#include "test/sim/safety.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/raft/describe.h"
#include "common/replication/log_format.h"

namespace matricula::sim {
namespace {

// An entry as it is on the disk, without the checksum: that depends on where the log began.
std::string EntryOf(const Replica& replica, raft::Index index) {
  const auto row = replica.log_disk().Peek(replication::EntryKey(index));
  return row ? row->substr(std::min(row->size(), sizeof(uint32_t))) : "";
}

}  // namespace

using raft::Index;
using raft::NodeId;
using raft::Term;

void Safety::OnStanding(const Replica& replica, const raft::Standing& standing) {
  if (standing.role != raft::Role::kLeader) return;
  ++checks_;
  const auto [leader, first] = leaders_.emplace(standing.term, replica.id());
  if (leader->second != replica.id()) {
    return world_.Fail(fmt::format("two leaders in term {}: {} and {}", standing.term.value(),
                                   leader->second.value(), replica.id().value()));
  }
  if (first) {
    ++elections_;
    CheckCompleteness(replica, standing.term);
  }
}

// Entries of earlier terms that were committed by now. Once a later leader is at work it may commit
// such entries that this one need not have, so then there is nothing to check.
void Safety::CheckCompleteness(const Replica& leader, Term term) {
  if (leaders_.rbegin()->first > term) return;
  const replication::EngineLogStore& log = *leader.log();
  for (Index index = log.FirstIndex(); index.value() < committed_.size(); ++index) {
    const Term committed = committed_[index.value()];
    if (committed == Term(0) || committed >= term) continue;
    ++checks_;
    if (log.TermAt(index) != committed) {
      return world_.Fail(fmt::format("replica {} leads in term {} without entry {} of term {}",
                                     leader.id().value(), term.value(), index.value(),
                                     committed.value()));
    }
  }
}

void Safety::NoteCommitted(const Replica& replica, Index from, Index to) {
  const replication::EngineLogStore& log = *replica.log();
  if (committed_.size() <= to.value()) committed_.resize(to.value() + 1);
  for (Index index = std::max(from, log.FirstIndex()); index <= to; ++index) {
    ++checks_;
    const Term term = *log.TermAt(index);
    Term& committed = committed_[index.value()];
    if (committed == Term(0)) committed = term;
    if (committed != term) {
      return world_.Fail(fmt::format("replica {} has committed entry {} of term {}, not of term {}",
                                     replica.id().value(), index.value(), term.value(),
                                     committed.value()));
    }
  }
}

bool Safety::IsOnQuorum(const raft::ConfState& conf, Index index, Term term) const {
  const auto majority_of = [&](const std::vector<NodeId>& voters) {
    const auto holders = std::count_if(voters.begin(), voters.end(), [&](NodeId id) {
      const auto replica = replicas_.find(id);
      return replica != replicas_.end() && replica->second->HoldsDurably(index, term);
    });
    return static_cast<size_t>(holders) > voters.size() / 2;
  };
  return majority_of(conf.voters) && (conf.outgoing.empty() || majority_of(conf.outgoing));
}

void Safety::OnSend(const Replica& replica, const raft::Message& message) {
  if (replica.damaged()) return;
  ++checks_;
  if (IsKept(replica, message)) return;
  world_.Fail(fmt::format("replica {} sends what its disk has not: {}", replica.id().value(),
                          raft::Describe(message)));
}

bool Safety::IsKept(const Replica& replica, const raft::Message& message) {
  const auto* vote = std::get_if<raft::VoteReply>(&message.body);
  const auto* reply = std::get_if<raft::AppendReply>(&message.body);
  const bool votes =
      (vote != nullptr && vote->granted) || std::holds_alternative<raft::VoteRequest>(message.body);
  const bool acknowledges = reply != nullptr && reply->taken && reply->match > Index(0);
  Seen& seen = seen_[replica.id()];
  if (!votes && !acknowledges && message.term <= seen.durable_term) return true;
  const auto durable = replica.DurableDescription();
  if (!durable) return false;
  seen.durable_term = durable->hard_state.term;
  if (message.term > durable->hard_state.term) return false;
  const NodeId voted_for = vote != nullptr ? message.to : replica.id();
  const bool same_term = message.term == durable->hard_state.term;
  if (votes && same_term && durable->hard_state.vote != voted_for) return false;
  // A later leader may have overwritten what is acknowledged to one before him: whoever has taken
  // it from that one cannot have elected this one, so it does no harm.
  if (!acknowledges || !same_term || reply->match < durable->first) return true;
  const auto term = replica.log()->TermAt(reply->match);
  return term && replica.HoldsDurably(reply->match, *term);
}

void Safety::AfterOutput(const Replica& replica) {
  const raft::Core& core = replica.driver()->core();
  Seen& seen = seen_[replica.id()];
  const Term leads_in = replica.leads() ? core.standing().term : Term(0);
  if (core.persisted() != seen.persisted) CheckPersisted(replica);
  if (leads_in != Term(0)) CheckCommit(replica, seen);
  if (leads_in != Term(0) && leads_in == seen.leads_in) CheckRulesOfLeader(replica, seen);
  const Index on_disk = std::min(core.commit(), core.persisted());
  if (on_disk > seen.noted) NoteCommitted(replica, seen.noted + 1, on_disk);
  seen.noted = std::max(seen.noted, on_disk);
  seen.commit = core.commit();
  seen.persisted = core.persisted();
  seen.leads_in = leads_in;
  seen.conf_index = core.conf_index();
  if (seen.conf != core.conf()) seen.conf = core.conf();
}

void Safety::CheckPersisted(const Replica& replica) {
  const raft::Core& core = replica.driver()->core();
  const auto term = core.TermAt(core.persisted());
  ++checks_;
  if (!term || replica.HoldsDurably(core.persisted(), *term)) return;
  world_.Fail(fmt::format("replica {} believes entry {} of term {} to be on its disk",
                          replica.id().value(), core.persisted().value(), term->value()));
}

// Whatever the leader's configuration is now, the commit may have been decided under the one
// before.
void Safety::CheckCommit(const Replica& replica, const Seen& seen) {
  const raft::Core& core = replica.driver()->core();
  if (core.commit() <= seen.commit) return;
  ++checks_;
  const auto term = replica.log()->TermAt(core.commit());
  if (term && !IsOnQuorum(core.conf(), core.commit(), *term) &&
      !IsOnQuorum(seen.conf, core.commit(), *term)) {
    world_.Fail(
        fmt::format("replica {} has committed entry {} of term {}, which is not durable on a "
                    "quorum",
                    replica.id().value(), core.commit().value(), term->value()));
  }
}

// What goes wrong only if three or four things happen in a row is forbidden for the first already.
void Safety::CheckRulesOfLeader(const Replica& replica, const Seen& seen) {
  const raft::Core& core = replica.driver()->core();
  const uint64_t id = replica.id().value();
  const auto committed = replica.log()->TermAt(core.commit());
  const bool of_own_term = !committed || *committed == core.standing().term;
  ++checks_;
  // Figure 3.7.
  if (core.commit() > seen.commit && !of_own_term) {
    world_.Fail(fmt::format("leader {} commits entry {} of an earlier term by counting", id,
                            core.commit().value()));
  }
  if (core.conf_index() == seen.conf_index) return;
  // §4.1, and what was found out later about it.
  if (seen.conf_index > core.commit()) {
    world_.Fail(fmt::format("leader {} changes the configuration while another change waits", id));
  }
  if (!of_own_term) {
    world_.Fail(fmt::format("leader {} changes the configuration before its first commit", id));
  }
}

void Safety::CompareLogs() {
  std::vector<const Replica*> up;
  for (const auto& [id, replica] : replicas_) {
    if (replica->up() && !replica->damaged()) up.push_back(replica.get());
  }
  if (up.size() < 2) return;
  random_.Shuffle(up);
  Compare(*up[0], *up[1]);
}

// Where two logs have an entry of the same index and term, they are the same up to there.
void Safety::Compare(const Replica& a, const Replica& b) {
  const Index first = std::max(a.log()->FirstIndex(), b.log()->FirstIndex());
  Index last = std::min(a.log()->LastIndex(), b.log()->LastIndex());
  while (last >= first && a.log()->TermAt(last) != b.log()->TermAt(last)) last = last - 1;
  if (last < first) return;
  ++checks_;
  constexpr uint64_t kCompared = 50;
  for (Index index = last - first > kCompared ? last - kCompared : first; index <= last; ++index) {
    if (EntryOf(a, index) == EntryOf(b, index)) continue;
    return world_.Fail(fmt::format("the logs of {} and {} agree at {}, but not at {}",
                                   a.id().value(), b.id().value(), last.value(), index.value()));
  }
}

}  // namespace matricula::sim
