#include "test/sim/safety.h"

#include <fmt/format.h>

#include <algorithm>

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

// Whatever the leader's configuration is now, the commit may have been decided under the one
// before.
void Safety::AfterOutput(const Replica& replica) {
  const raft::Core& core = replica.driver()->core();
  Seen& seen = seen_[replica.id()];
  if (replica.leads() && core.commit() > seen.commit) {
    ++checks_;
    const auto term = replica.log()->TermAt(core.commit());
    if (term && !IsOnQuorum(core.conf(), core.commit(), *term) &&
        !IsOnQuorum(seen.conf, core.commit(), *term)) {
      world_.Fail(fmt::format(
          "replica {} has committed entry {} of term {}, which is not durable on a quorum",
          replica.id().value(), core.commit().value(), term->value()));
    }
  }
  const Index on_disk = std::min(core.commit(), core.persisted());
  if (on_disk > seen.noted) NoteCommitted(replica, seen.noted + 1, on_disk);
  seen.noted = std::max(seen.noted, on_disk);
  seen.commit = core.commit();
  if (seen.conf != core.conf()) seen.conf = core.conf();
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
