#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/raft/core.h"
#include "common/raft/describe.h"

// Nodes with a disk in memory and a network that is a list of messages, for tests of the core
// alone. Everything happens when a test says so.
namespace matricula::raft::testing {

// What is on a node's disk, and survives a crash.
class MemoryLog : public LogView {
 public:
  Index FirstIndex() const override { return base_index + 1; }
  Index LastIndex() const override { return base_index + entries.size(); }
  std::optional<Term> TermAt(Index index) const override;
  std::vector<Entry> Read(Index from, Index to, size_t max_bytes) const override;

  void Write(const Output& output);
  void DropBefore(Index first);

  HardState hard_state;
  Index base_index;
  Term base_term;
  std::vector<Entry> entries;
  mutable bool broken = false;  // every read fails
};

// A state machine that remembers every command.
struct AppliedState {
  Index applied;
  Term term;
  ConfState conf;
  std::vector<std::string> commands;

  void Apply(const Entry& entry);
  SnapshotMeta Meta() const { return {applied, term, conf}; }
  std::string Serialize() const;
  static std::optional<AppliedState> Parse(const std::string& bytes);
};

class TestNode {
 public:
  TestNode(Config config, ConfState conf);

  NodeId id() const { return config_.id; }
  bool up() const { return core_ != nullptr; }
  Core& core() { return *core_; }
  const Core& core() const { return *core_; }
  MemoryLog& disk() { return disk_; }
  const MemoryLog& disk_log() const { return disk_; }
  const AppliedState& state() const { return state_; }

  // Takes an output, if there is one: its early messages leave, the rest waits for the disk.
  bool TakeOutput();
  // The oldest write finishes: what comes after it in the output is carried out.
  bool FinishWrite();
  // Both, until nothing is left; with `hold_disk` only the first.
  void Pump();
  size_t writing() const { return writing_.size(); }
  // Of the log as the core has it, as of the last output taken: the disk and what is being written.
  std::optional<Term> TermInLog(Index index) const;

  // Loses what is being written, or only what comes after the first `kept_writes` of it; and the
  // state machine's memory since the last Flush.
  void Crash(size_t kept_writes = 0);
  void Restart();
  // The state machine makes durable what it has applied.
  void Flush() { durable_state_ = state_; }
  // Drops all that the core allows and the state machine has durably applied.
  void Compact();
  // Gives up all entries before `first`, whatever the margin.
  void CompactTo(Index first);

  std::vector<Message> outbox;
  bool hold_disk = false;
  bool spoil_snapshots = false;     // what is staged turns out to be bad
  bool withhold_snapshots = false;  // wanted ones are not made until MakeSnapshots
  std::set<Ticket> snapshots_wanted;
  void MakeSnapshots();

  // What came out and was carried out, for tests to look at and clear.
  std::string trace;
  std::vector<Entry> applied_entries;
  std::vector<ReadAnswer> reads;
  std::vector<ProposalAnswer> proposals;
  std::vector<Standing> standings;
  base::Status last_step;

 private:
  void CarryOut(const Output& output);
  void CarryOutSnapshots(const Output& output);

  Config config_;
  MemoryLog disk_;
  AppliedState state_;
  AppliedState durable_state_;
  std::unique_ptr<Core> core_;
  std::deque<Output> writing_;
  std::map<Ticket, std::string> snapshot_files_;
  std::string staged_;
};

class Cluster {
 public:
  // Nodes 1 to `voters`, all of the first configuration. `edit` may change each one's settings.
  explicit Cluster(int voters, std::function<void(Config&)> edit = {});

  TestNode& operator[](uint64_t id) { return *nodes_.at(NodeId(id)); }
  std::map<NodeId, std::unique_ptr<TestNode>>& nodes() { return nodes_; }
  // A node that knows of no configuration yet.
  void Add(uint64_t id);
  bool Has(uint64_t id) const { return nodes_.count(NodeId(id)) == 1; }

  // Carries out all there is, and moves messages from the outboxes to the wire, or drops them.
  void Collect();
  // Hands the oldest message on the wire to its receiver.
  void DeliverOne();
  // Both until nothing moves.
  void Settle();
  void Tick(uint64_t id, int ticks = 1);
  // Every node, with Settle after each tick.
  void TickAll(int ticks = 1);

  // `id` becomes leader, whatever it takes in elections.
  void Elect(uint64_t id);
  Proposed Propose(uint64_t id, const std::string& command);
  uint64_t Leader() const;  // of the highest term; 0 if there is none

  void Cut(uint64_t a, uint64_t b);
  void CutOneWay(uint64_t from, uint64_t to) { cut_.emplace(NodeId(from), NodeId(to)); }
  void Isolate(uint64_t id);
  void Heal() { cut_.clear(); }
  // Messages for which this is true are lost.
  std::function<bool(const Message&)> lose;

  std::deque<Message> wire;

 private:
  std::function<void(Config&)> edit_;
  std::map<NodeId, std::unique_ptr<TestNode>> nodes_;
  std::set<std::pair<NodeId, NodeId>> cut_;
};

// A configuration of voters and learners.
ConfState Conf(std::vector<uint64_t> voters, std::vector<uint64_t> learners = {});
ConfChange AddVoter(uint64_t id);
ConfChange AddLearner(uint64_t id);
ConfChange Remove(uint64_t id);

template <class B>
const B* As(const Message& message) {
  return std::get_if<B>(&message.body);
}

}  // namespace matricula::raft::testing
