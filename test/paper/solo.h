#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {

// One node, alone with a test that plays all the others.
class Solo {
 public:
  explicit Solo(ConfState conf = Conf({1, 2, 3}), const std::function<void(Config&)>& edit = {})
      : node(Make(edit), std::move(conf)) {}

  // The node hears this, carries out all that follows, and answers.
  std::vector<Message> Hear(uint64_t from, uint64_t term, Body body) {
    node.last_step = node.core().Step({NodeId(from), NodeId(1), Term(term), std::move(body)});
    return Said();
  }
  // What it has said since the last call.
  std::vector<Message> Said() {
    node.Pump();
    return std::exchange(node.outbox, {});
  }
  std::vector<Message> Tick(int ticks = 1) {
    for (int i = 0; i < ticks; ++i) node.core().Tick();
    return Said();
  }
  // Until it stands for election (asks for votes or pre-votes).
  int TicksUntilElection() {
    for (int ticks = 1;; ++ticks) {
      node.core().Tick();
      node.Pump();
      if (core().standing().role != Role::kFollower) return ticks;
    }
  }
  // Leader of the next term, elected by everybody; what was said on the way is dropped.
  void Lead() {
    node.core().Campaign();
    Said();
    while (core().standing().role != Role::kLeader) {
      const bool asking = core().standing().role == Role::kPreCandidate;
      const uint64_t now = term();
      for (const NodeId peer : core().conf().Members()) {
        if (peer == node.id()) continue;
        if (asking) Hear(peer.value(), now, PreVoteReply{Term(now + 1), true});
        if (!asking) Hear(peer.value(), now, VoteReply{true});
      }
    }
  }
  // The log becomes these terms, from index 1 on, by appends of leader 2 in the last of them.
  void Log(const std::vector<uint64_t>& terms) {
    AppendRequest request;
    for (size_t i = 0; i < terms.size(); ++i) {
      request.entries.push_back({Index(i + 1), Term(terms[i]), EntryType::kCommand,
                                 "e" + std::to_string(i + 1) + "." + std::to_string(terms[i])});
    }
    Hear(2, terms.back(), request);
  }
  std::vector<uint64_t> LogTerms() const {
    std::vector<uint64_t> terms;
    for (const Entry& entry : node.disk_log().entries) terms.push_back(entry.term.value());
    return terms;
  }
  Proposed Propose(const std::string& command) { return core().Propose({command}); }
  void Ack(uint64_t from, Index match) {
    Hear(from, term(), AppendReply{true, match, Index(0), Index(0), Term(0)});
  }

  Core& core() { return node.core(); }
  const Core& core() const { return node.core(); }
  uint64_t term() const { return core().standing().term.value(); }
  Role role() const { return core().standing().role; }

  TestNode node;

 private:
  static Config Make(const std::function<void(Config&)>& edit) {
    Config config;
    config.id = NodeId(1);
    config.seed = 1;
    config.compaction_margin = 0;
    config.check_thoroughly = true;
    if (edit) edit(config);
    return config;
  }
};

// The plain protocol of chapter 3, without what later chapters add to elections.
inline void Plain(Config& config) {
  config.pre_vote = false;
  config.check_quorum = false;
}

inline Entry Command(uint64_t index, uint64_t term, const std::string& command = "x") {
  return {Index(index), Term(term), EntryType::kCommand, command};
}

// Those of the messages that are of this kind.
template <class B>
std::vector<std::pair<uint64_t, B>> Only(const std::vector<Message>& messages) {
  std::vector<std::pair<uint64_t, B>> out;
  for (const Message& message : messages) {
    if (const B* body = As<B>(message)) out.emplace_back(message.to.value(), *body);
  }
  return out;
}

}  // namespace matricula::raft::testing
