// A cluster in memory, driven by chance: messages lost, doubled and overtaken, disks that are slow
// and lose what was not synced, members that come and go. What Raft promises (thesis figure 3.2) is
// checked at every step; afterwards the faults stop, and the group must get going again.
// RAFT_FUZZ_SEED=n repeats one run, RAFT_FUZZ_RUNS=n makes more of them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>

#include "common/raft/random.h"
#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {
namespace {

constexpr uint64_t kNodes = 6;
constexpr int kSteps = 30000;
constexpr size_t kMaxWire = 400;

enum Event {
  kDeliver,
  kTakeOutput,
  kFinishWrite,
  kTick,
  kPropose,
  kRead,
  kChangeMembers,
  kTransfer,
  kCampaign,
  kPartition,
  kCompact,
  kSnapshots,
  kUnreachable,
  kCrash,
  kEvents,
};

// What a run is like: each has its own mix of events, so that some see what an even mix never
// shows (many elections with hardly any traffic, disks that lag far behind, …).
struct Style {
  explicit Style(Random& random) {
    constexpr uint64_t kUsual[kEvents] = {450, 250, 250, 80, 50, 20, 5, 2, 4, 3, 10, 5, 2, 6};
    constexpr uint64_t kFactor[] = {0, 1, 4, 4, 8, 16};  // in quarters
    for (int event = 0; event < kEvents; ++event) {
      const bool basic = event <= kPropose;
      weights[event] = kUsual[event] * kFactor[(basic ? 1 : 0) + random.Below(basic ? 4 : 6)];
      sum += weights[event];
    }
    voters = static_cast<int>(1 + random.Below(5));
    pre_vote = random.Below(3) != 0;
    check_quorum = random.Below(3) != 0;
    loss = random.Below(3) == 0 ? 0 : random.Below(40);
    disorder = random.Below(2) == 0 ? 0 : random.Below(50);
    doubles = random.Below(2) == 0 ? 0 : random.Below(10);
    isolation = random.Below(100);
  }

  uint64_t weights[kEvents];
  uint64_t sum = 0;
  int voters;
  bool pre_vote;
  bool check_quorum;
  uint64_t loss;  // percent of the messages, and so on
  uint64_t disorder;
  uint64_t doubles;
  uint64_t isolation;  // of the partitions: a node alone, the others whole
};

class Fuzz {
 public:
  explicit Fuzz(uint64_t seed)
      : random_(seed), style_(random_), cluster_(style_.voters, [&](Config& config) {
          config.seed = random_.Next();
          config.pre_vote = style_.pre_vote;
          config.check_quorum = style_.check_quorum;
          config.max_append_bytes = 40 + random_.Below(400);
          config.max_inflight_messages = static_cast<int>(1 + random_.Below(4));
          config.max_inflight_bytes = 100 + random_.Below(2000);
          config.max_uncommitted_bytes = 500 + random_.Below(2000);
          config.max_tail_bytes = random_.Below(500);
          config.max_apply_bytes = 50 + random_.Below(500);
          config.snapshot_chunk_bytes = 20 + random_.Below(100);
          config.max_pending_reads = 8;
          config.compaction_margin = random_.Below(5);
        }) {
    for (uint64_t id = 1; id <= kNodes; ++id) {
      if (!cluster_.Has(id)) cluster_.Add(id);
    }
  }

  void Run() {
    for (int step = 0; step < kSteps; ++step) {
      OneStep();
      CheckLeaders();
    }
    Recover();
  }

 private:
  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }
  TestNode& Any() { return cluster_[1 + random_.Below(kNodes)]; }

  Event Draw() {
    uint64_t dice = random_.Below(style_.sum);
    int event = 0;
    while (dice >= style_.weights[event]) dice -= style_.weights[event++];
    return static_cast<Event>(event);
  }

  void OneStep() {
    TestNode& node = Any();
    const Event event = Draw();
    if (event == kCrash) return CrashOrRestart(node);
    if (!node.up()) return;
    switch (event) {
      case kDeliver:
        return Deliver();
      case kTakeOutput:
        return Take(node);
      case kFinishWrite:
        return FinishWrite(node);
      case kTick:
        return node.core().Tick();
      case kPropose:
        return Propose(node);
      case kRead:
        return Read(node);
      case kChangeMembers:
        return ChangeMembers();
      case kTransfer:
        return Transfer();
      case kCampaign:
        return node.core().Campaign();
      case kPartition:
        return Partition();
      case kCompact:
        return Compact(node);
      case kSnapshots:
        return Snapshots(node);
      case kUnreachable:
        return Chance(50) ? node.core().PeerUnreachable(Any().id())
                          : node.core().PeerGone(Any().id());
      default:
        return;
    }
  }

  void Deliver() {
    Collect();
    if (wire_.empty()) return;
    // Mostly in order; sometimes the wire is a lottery.
    const size_t at = Chance(style_.disorder) ? random_.Below(wire_.size()) : 0;
    const Message message = wire_[at];
    if (!Chance(style_.doubles)) wire_.erase(wire_.begin() + static_cast<ptrdiff_t>(at));
    if (Chance(style_.loss)) return;
    TestNode& to = cluster_[message.to.value()];
    if (!to.up() || cut_.count({message.from, message.to}) == 1) return;
    const base::Status status = to.core().Step(message);
    INFO(Describe(message));
    REQUIRE(status.ok());
  }

  void FinishWrite(TestNode& node) {
    node.FinishWrite();
    Collect();
    Observe(node);
  }

  void Take(TestNode& node) {
    if (!node.TakeOutput()) return;
    Collect();
    // As soon as a leader's first output is out, its whole log is known.
    const Standing standing = node.core().standing();
    if (standing.role == Role::kLeader && complete_.insert(standing.term).second) {
      CheckComplete(node);
    }
  }

  // Leader completeness: whatever was committed before is in a new leader's log.
  void CheckComplete(TestNode& node) {
    for (const auto& [index, entry] : committed_) {
      const std::optional<Term> term = node.TermInLog(index);
      if (index < node.disk().FirstIndex()) continue;
      REQUIRE(term.has_value());
      REQUIRE(*term == entry.term);
    }
  }

  void Propose(TestNode& node) {
    std::vector<Payload> payloads;
    std::vector<std::string> names;
    for (uint64_t i = 0; i <= random_.Below(3); ++i) {
      names.push_back("p" + std::to_string(++proposed_) + std::string(random_.Below(30), '.'));
      payloads.emplace_back(names.back());
    }
    const Proposed result = node.core().Propose(payloads);
    for (const std::string& name : names) proposals_[name] = result;
    if (result.outcome == ProposeOutcome::kForwarded) forwarded_[result.ticket] = names;
  }

  void Read(TestNode& node) {
    const ReadTicket read = node.core().ReadIndex();
    if (read.ticket) reads_[*read.ticket] = MaxCommit();
  }

  Index MaxCommit() {
    for (auto& [id, node] : cluster_.nodes()) {
      if (node->up()) max_commit_ = std::max(max_commit_, node->core().commit());
    }
    return max_commit_;
  }

  void ChangeMembers() {
    const uint64_t leader = cluster_.Leader();
    if (leader == 0) return;
    ConfChange change;
    std::set<NodeId> named;
    for (uint64_t i = 0; i <= random_.Below(3); ++i) {
      const NodeId id(1 + random_.Below(kNodes));
      if (named.insert(id).second) {
        change.steps.push_back({static_cast<ConfStep::Op>(random_.Below(3)), id});
      }
    }
    if (Chance(30)) change.transition = ConfChange::Transition::kJoint;
    if (Chance(10)) change.transition = ConfChange::Transition::kJointExplicit;
    if (Chance(20)) change.steps.clear();
    (void)cluster_[leader].core().ProposeConfChange(change);
  }

  void Transfer() {
    const uint64_t leader = cluster_.Leader();
    if (leader != 0) (void)cluster_[leader].core().TransferLeadership(Any().id());
  }

  void Partition() {
    cut_.clear();
    if (Chance(30)) return;
    const NodeId alone = Chance(50) ? NodeId(cluster_.Leader()) : Any().id();
    const bool whole = Chance(style_.isolation);
    for (uint64_t i = 1; i <= kNodes && whole; ++i) {
      cut_.emplace(alone, NodeId(i));
      cut_.emplace(NodeId(i), alone);
    }
    for (uint64_t i = 0; i < random_.Below(8); ++i) cut_.emplace(Any().id(), Any().id());
  }

  void Compact(TestNode& node) {
    if (Chance(50)) node.Flush();
    node.Compact();
  }

  void Snapshots(TestNode& node) {
    node.withhold_snapshots = Chance(30);
    node.spoil_snapshots = Chance(10);
    node.MakeSnapshots();
  }

  void CrashOrRestart(TestNode& node) {
    Observe(node);
    if (!node.up()) {
      node.Restart();
    } else if (Chance(50)) {
      node.Crash(random_.Below(4));
    }
  }

  void Collect() {
    for (auto& [id, node] : cluster_.nodes()) {
      for (Message& message : std::exchange(node->outbox, {})) wire_.push_back(std::move(message));
    }
    while (wire_.size() > kMaxWire) wire_.pop_front();
  }

  // State machine safety, and the promises about proposals and reads.
  void Observe(TestNode& node) {
    for (const Entry& entry : std::exchange(node.applied_entries, {})) {
      const auto [known, fresh] = committed_.emplace(entry.index, entry);
      INFO("node " << Describe(node.id()) << " applies " << Describe(entry) << ", known is "
                   << Describe(known->second));
      REQUIRE(known->second == entry);
      if (fresh && entry.type == EntryType::kCommand) CheckProposal(entry);
    }
    for (const ProposalAnswer& answer : std::exchange(node.proposals, {})) {
      if (answer.appended) continue;
      for (const std::string& name : forwarded_.at(answer.ticket)) refused_.insert(name);
    }
    for (const ReadAnswer& answer : std::exchange(node.reads, {})) {
      const auto read = reads_.find(answer.ticket);
      REQUIRE(read != reads_.end());
      if (answer.confirmed) {
        INFO("read " << Describe(answer));
        REQUIRE(answer.index >= read->second);
        ++confirmed_reads_;
      }
      reads_.erase(read);
    }
  }

  void CheckProposal(const Entry& entry) {
    const std::string name(entry.payload.view());
    INFO(Describe(entry));
    REQUIRE(seen_.insert(name).second);  // at most once
    const Proposed& result = proposals_.at(name);
    REQUIRE(result.term == entry.term);  // in the term it was proposed for, or never
    REQUIRE((result.outcome == ProposeOutcome::kAppended ||
             result.outcome == ProposeOutcome::kForwarded));
    REQUIRE(refused_.count(name) == 0);
  }

  void CheckLeaders() {
    for (auto& [id, node] : cluster_.nodes()) {
      if (!node->up()) continue;
      const Standing standing = node->core().standing();
      if (standing.role != Role::kLeader) continue;
      const auto [known, fresh] = leaders_.emplace(standing.term, id);
      INFO("term " << Describe(standing.term));
      REQUIRE(known->second == id);
    }
  }

  // No more faults: within a bounded time there is a leader, and all members agree.
  void Recover() {
    cut_.clear();
    for (auto& [id, node] : cluster_.nodes()) {
      node->withhold_snapshots = node->spoil_snapshots = false;
      if (!node->up()) node->Restart();
      node->MakeSnapshots();
    }
    const bool proposes = TicksUntil([&] { return Proposes(); });
    INFO(Everybody());
    REQUIRE(proposes);
    const bool all_equal = TicksUntil([&] { return AllEqual(); });
    INFO(Everybody());
    REQUIRE(all_equal);
    for (auto& [id, node] : cluster_.nodes()) Observe(*node);
  }

  std::string Everybody() {
    std::string out;
    for (auto& [id, node] : cluster_.nodes()) {
      const Core& core = node->core();
      out += Describe(id) + " " + Describe(core.standing()) + " log " +
             std::to_string(core.first_index().value()) + ".." +
             std::to_string(core.last_index().value()) + " commit " +
             std::to_string(core.commit().value()) + " applied " +
             std::to_string(core.applied().value()) + " conf " +
             std::to_string(core.conf_index().value()) + " " + Describe(core.conf()) + "\n";
      for (const PeerProgress& peer : core.peers()) out += "   " + Describe(peer) + "\n";
    }
    return out;
  }

  template <class Condition>
  bool TicksUntil(const Condition& condition) {
    for (int tick = 0; tick < 400; ++tick) {
      for (auto& [id, node] : cluster_.nodes()) node->core().Tick();
      for (int i = 0; i < 200; ++i) {
        for (auto& [id, node] : cluster_.nodes()) {
          Take(*node);
          node->Pump();
          Observe(*node);
        }
        Collect();
        CheckLeaders();
        if (wire_.empty()) break;
        for (const Message& message : std::exchange(wire_, {})) {
          REQUIRE(cluster_[message.to.value()].core().Step(message).ok());
        }
      }
      if (condition()) return true;
    }
    return false;
  }

  bool Proposes() {
    const uint64_t leader = cluster_.Leader();
    if (leader == 0) return false;
    // One a tick: any of them may be lost with its leader.
    const std::string name = "last" + std::to_string(++proposed_);
    proposals_[name] = cluster_[leader].core().Propose({name});
    last_.insert(name);
    return std::any_of(last_.begin(), last_.end(),
                       [&](const std::string& last) { return seen_.count(last) == 1; });
  }

  bool AllEqual() {
    const uint64_t leader = cluster_.Leader();
    if (leader == 0) return false;
    const AppliedState& state = cluster_[leader].state();
    for (const NodeId id : cluster_[leader].core().conf().Members()) {
      if (cluster_[id.value()].state().commands != state.commands) return false;
    }
    return !cluster_[leader].core().conf().IsJoint() || !cluster_[leader].core().conf().auto_leave;
  }

  Random random_;
  Style style_;
  Cluster cluster_;
  std::deque<Message> wire_;
  std::set<std::pair<NodeId, NodeId>> cut_;
  uint64_t proposed_ = 0;
  std::map<std::string, Proposed> proposals_;
  std::map<Ticket, std::vector<std::string>> forwarded_;
  std::set<std::string> refused_;
  std::set<std::string> seen_;
  std::set<std::string> last_;
  std::map<Ticket, Index> reads_;  // what was committed when it was asked
  Index max_commit_;
  std::map<Term, NodeId> leaders_;
  std::set<Term> complete_;
  std::map<Index, Entry> committed_;

 public:
  size_t committed() const { return committed_.size(); }
  size_t terms() const { return leaders_.size(); }
  size_t confirmed_reads_ = 0;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

}  // namespace

TEST_CASE("whatever chance does, the promises of Raft hold") {
  const uint64_t first = FromEnvironment("RAFT_FUZZ_SEED", 1);
  const uint64_t runs =
      FromEnvironment("RAFT_FUZZ_RUNS", std::getenv("RAFT_FUZZ_SEED") == nullptr ? 150 : 1);
  size_t committed = 0;
  size_t terms = 0;
  size_t reads = 0;
  for (uint64_t seed = first; seed < first + runs; ++seed) {
    INFO("repeat with RAFT_FUZZ_SEED=" << seed);
    Fuzz fuzz(seed);
    fuzz.Run();
    committed += fuzz.committed();
    terms += fuzz.terms();
    reads += fuzz.confirmed_reads_;
  }
  std::cout << runs << " runs from seed " << first << ": " << committed << " entries in " << terms
            << " terms, " << reads << " reads\n";
  // Otherwise chance has tried nothing.
  CHECK(committed > runs * 10);
  CHECK(terms > runs);
  CHECK(reads > runs);
}

}  // namespace matricula::raft::testing
