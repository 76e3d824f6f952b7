#include "common/raft/invariants.h"

#include <algorithm>

#include "common/base/ensure.h"
#include "common/raft/mutant.h"

namespace matricula::raft {
namespace {

bool SortedWithoutRepeats(const std::vector<NodeId>& nodes) {
  return std::adjacent_find(nodes.begin(), nodes.end(), std::greater_equal<>()) == nodes.end();
}

void CheckConf(const ConfState& conf) {
  for (const auto* list : {&conf.voters, &conf.outgoing, &conf.learners, &conf.learners_next}) {
    ENSURE(SortedWithoutRepeats(*list), "a configuration's lists are sorted sets");
  }
  for (const NodeId node : conf.learners) {
    ENSURE(!conf.IsVoter(node), "nobody is voter and learner at once");
  }
  for (const NodeId node : conf.learners_next) {
    ENSURE(std::binary_search(conf.outgoing.begin(), conf.outgoing.end(), node),
           "only an outgoing voter waits to become a learner");
  }
  ENSURE(conf.IsJoint() || (conf.learners_next.empty() && !conf.auto_leave),
         "only a joint configuration has something to leave");
}

void CheckLeader(const Machine& machine, const Leader& leader) {
  ENSURE(machine.vote() == machine.config().id, "a leader has voted for itself");
  ENSURE(leader.first_own <= machine.log().last(), "a leader opens its term with an entry");
  ENSURE(machine.log().last_term() == machine.term(), "a leader's log ends in its own term");
}

void CheckPeers(const Machine& machine, const Leader& leader) {
  const Log& log = machine.log();
  ENSURE(leader.peers.count(machine.config().id) == 0, "a leader does not send to itself");
  for (const auto& [id, peer] : leader.peers) {
    ENSURE(peer.match() < peer.next(), "what is known to be there is not sent again");
    ENSURE(peer.next() <= log.last() + 1, "only what is in the log can be sent");
    ENSURE(!peer.sender || peer.state() == Progress::State::kSnapshot,
           "chunks travel in state snapshot only");
    ENSURE(peer.round <= leader.reads.round(), "no round is answered before it begins");
  }
  if (MutantIs(5)) return;
  for (const NodeId member : machine.confs().Latest().conf.Members()) {
    ENSURE(member == machine.config().id || leader.peers.count(member) == 1,
           "a leader serves every member");
  }
}

void CheckTermsGrow(const Log& log) {
  const Index from = std::max(log.first(), log.commit());
  Term before(0);
  for (Index index = from; index <= log.last(); ++index) {
    const Term term = log.TermAt(index).value_or(before);
    ENSURE(before <= term, "terms never fall along a log");
    before = term;
  }
}

}  // namespace

void CheckCheaply(const Machine& machine, const HardState& before) {
  ENSURE(machine.term() >= before.term, "terms only grow");
  ENSURE(machine.term() > before.term || before.vote == kNobody || machine.vote() == before.vote ||
             MutantIs(18),
         "one vote in a term");
  ENSURE(machine.log().commit() >= before.commit || MutantIs(12), "what is committed stays so");
  ENSURE(machine.log().last_term() <= machine.term(), "no entry comes from a later term");
  machine.log().Check();
  if (const auto* leader = std::get_if<Leader>(&machine.role())) CheckLeader(machine, *leader);
}

void CheckThoroughly(const Machine& machine) {
  CheckConf(machine.confs().Latest().conf);
  ENSURE(machine.confs().Latest().index <= machine.log().last() || MutantIs(21),
         "a configuration in force stands in the log");
  CheckTermsGrow(machine.log());
  if (const auto* leader = std::get_if<Leader>(&machine.role())) CheckPeers(machine, *leader);
}

}  // namespace matricula::raft
