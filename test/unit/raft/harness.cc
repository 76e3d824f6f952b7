#include "test/unit/raft/harness.h"

#include <algorithm>
#include <utility>

#include "common/base/ensure.h"

namespace matricula::raft::testing {
namespace {

constexpr int kMaxSteps = 100'000;  // of Settle: more means that something goes in circles

}  // namespace

std::optional<Term> MemoryLog::TermAt(Index index) const {
  if (broken) return std::nullopt;
  if (index == base_index) return base_term;
  if (index < base_index || index > LastIndex()) return std::nullopt;
  return entries[index - base_index - 1].term;
}

std::vector<Entry> MemoryLog::Read(Index from, Index to, size_t max_bytes) const {
  std::vector<Entry> out;
  if (broken || from <= base_index) return out;
  size_t bytes = 0;
  for (Index index = from; index <= std::min(to, LastIndex()); ++index) {
    const Entry& entry = entries[index - base_index - 1];
    bytes += entry.Cost();
    if (!out.empty() && bytes > max_bytes) break;
    out.push_back(entry);
  }
  return out;
}

void MemoryLog::Write(const Output& output) {
  if (output.snapshot) {
    entries.clear();
    base_index = output.snapshot->index;
    base_term = output.snapshot->term;
  }
  if (output.hard_state) hard_state = *output.hard_state;
  if (output.entries.empty()) return;
  const Index first = output.entries.front().index;
  ENSURE(first > base_index && first <= LastIndex() + 1, "a write must not leave a hole");
  entries.resize(first - base_index - 1);
  entries.insert(entries.end(), output.entries.begin(), output.entries.end());
}

void MemoryLog::DropBefore(Index first) {
  if (first <= base_index + 1) return;
  base_term = *TermAt(first - 1);
  entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(first - 1 - base_index));
  base_index = first - 1;
}

void AppliedState::Apply(const Entry& entry) {
  ENSURE(entry.index == applied + 1, "entries are applied one after the other");
  applied = entry.index;
  term = entry.term;
  if (entry.type == EntryType::kConf) conf = DecodeConfEntry(entry.payload.view())->conf;
  if (entry.type == EntryType::kCommand) commands.emplace_back(entry.payload.view());
}

std::string AppliedState::Serialize() const {
  std::string out = std::to_string(applied.value()) + " " + std::to_string(term.value()) + "\n";
  const std::string encoded(EncodeConfEntry({conf, {}}).view());
  out += std::to_string(encoded.size()) + "\n" + encoded;
  for (const std::string& command : commands) {
    out += std::to_string(command.size()) + "\n" + command;
  }
  return out + "end";
}

std::optional<AppliedState> AppliedState::Parse(const std::string& bytes) {
  if (bytes.size() < 3 || bytes.substr(bytes.size() - 3) != "end") return std::nullopt;
  const size_t stop = bytes.size() - 3;
  AppliedState state;
  size_t at = bytes.find('\n') + 1;
  const size_t space = bytes.find(' ');
  state.applied = Index(std::stoull(bytes.substr(0, space)));
  state.term = Term(std::stoull(bytes.substr(space + 1, at - space - 2)));
  bool first = true;
  while (at < stop) {
    const size_t line = bytes.find('\n', at);
    const size_t size = std::stoul(bytes.substr(at, line - at));
    const std::string part = bytes.substr(line + 1, size);
    at = line + 1 + size;
    if (first) {
      state.conf = DecodeConfEntry(part)->conf;
    } else {
      state.commands.push_back(part);
    }
    first = false;
  }
  return state;
}

TestNode::TestNode(Config config, ConfState conf) : config_(std::move(config)) {
  state_.conf = std::move(conf);
  durable_state_ = state_;
  Restart();
}

void TestNode::Restart() {
  ++config_.incarnation;
  state_ = durable_state_;
  core_ = std::make_unique<Core>(config_, Restored{disk_.hard_state, state_.applied, state_.conf},
                                 disk_);
}

void TestNode::Crash(size_t kept_writes) {
  for (size_t i = 0; i < kept_writes && i < writing_.size(); ++i) {
    // On the disk, but nobody lives to hear of it. An installed snapshot is of the state machine's
    // disk, too.
    disk_.Write(writing_[i]);
    if (writing_[i].snapshot) durable_state_ = *AppliedState::Parse(staged_);
  }
  writing_.clear();
  outbox.clear();
  snapshots_wanted.clear();
  snapshot_files_.clear();
  staged_.clear();
  core_.reset();
}

bool TestNode::TakeOutput() {
  if (!up() || writing_.size() >= Core::kMaxOutputsInFlight) return false;
  Output output = core_->TakeOutput();
  if (output.Empty()) return false;
  Output early;
  early.early_messages.swap(output.early_messages);
  trace += Describe(early);
  for (Message& message : early.early_messages) outbox.push_back(std::move(message));
  writing_.push_back(std::move(output));
  return true;
}

std::optional<Term> TestNode::TermInLog(Index index) const {
  for (auto write = writing_.rbegin(); write != writing_.rend(); ++write) {
    if (!write->entries.empty() && write->entries.front().index <= index) {
      const size_t place = index - write->entries.front().index;
      if (place >= write->entries.size()) return std::nullopt;
      return write->entries[place].term;
    }
    if (write->snapshot) {
      if (write->snapshot->index == index) return write->snapshot->term;
      return std::nullopt;
    }
  }
  return disk_.TermAt(index);
}

bool TestNode::FinishWrite() {
  if (!up() || writing_.empty()) return false;
  const Output output = std::move(writing_.front());
  writing_.pop_front();
  trace += Describe(output);
  disk_.Write(output);
  if (output.snapshot) {
    std::optional<AppliedState> installed = AppliedState::Parse(staged_);
    ENSURE(installed && installed->Meta() == *output.snapshot, "not the snapshot that was staged");
    state_ = *std::move(installed);
    Flush();
  }
  if (output.NeedsSync()) core_->Persisted(output.sequence);
  CarryOut(output);
  return true;
}

void TestNode::CarryOut(const Output& output) {
  outbox.insert(outbox.end(), output.late_messages.begin(), output.late_messages.end());
  for (const Entry& entry : output.committed) {
    state_.Apply(entry);
    applied_entries.push_back(entry);
  }
  core_->Applied(state_.applied);
  reads.insert(reads.end(), output.reads.begin(), output.reads.end());
  proposals.insert(proposals.end(), output.proposals.begin(), output.proposals.end());
  CarryOutSnapshots(output);
  if (output.standing) standings.push_back(*output.standing);
}

void TestNode::CarryOutSnapshots(const Output& output) {
  for (const Ticket& transfer : output.snapshots_released) {
    snapshot_files_.erase(transfer);
    snapshots_wanted.erase(transfer);
  }
  for (const SnapshotWanted& wanted : output.snapshots_wanted) {
    snapshots_wanted.insert(wanted.transfer);
  }
  if (!withhold_snapshots) MakeSnapshots();
  for (const ChunkOrder& order : output.chunks_to_send) {
    const std::string& file = snapshot_files_.at(order.transfer);
    outbox.push_back(MakeChunk(id(), order, file.substr(order.offset, order.size_bytes)));
  }
  if (output.discard_staged) staged_.clear();
  for (const StagedChunk& chunk : output.chunks_to_stage) {
    if (chunk.offset == 0) staged_.clear();
    ENSURE(chunk.offset == staged_.size(), "chunks are staged in order");
    staged_ += chunk.bytes.view();
    if (!chunk.last) continue;
    const bool good = !spoil_snapshots && AppliedState::Parse(staged_).has_value();
    core_->SnapshotStored(chunk.transfer, good);
  }
}

void TestNode::MakeSnapshots() {
  for (const Ticket& transfer : std::exchange(snapshots_wanted, {})) {
    std::string& file = snapshot_files_[transfer] = state_.Serialize();
    core_->SnapshotReady(transfer, core_->AppliedMeta(), file.size());
  }
}

void TestNode::Pump() {
  bool moved = true;
  while (moved) {
    moved = TakeOutput();
    while (!hold_disk && FinishWrite()) moved = true;
  }
}

void TestNode::Compact() {
  const Index first = std::min(core_->CompactionLimit(), durable_state_.applied) + 1;
  CompactTo(first);
}

void TestNode::CompactTo(Index first) {
  if (first <= disk_.FirstIndex()) return;
  core_->Compacted(first);
  disk_.DropBefore(first);
}

Cluster::Cluster(int voters, std::function<void(Config&)> edit) : edit_(std::move(edit)) {
  ConfState conf;
  for (int i = 1; i <= voters; ++i) conf.voters.emplace_back(static_cast<uint64_t>(i));
  for (const NodeId id : conf.voters) {
    Add(id.value());
    Config config = nodes_[id]->core().config();
    config.incarnation = 0;
    nodes_[id] = std::make_unique<TestNode>(config, conf);
  }
}

void Cluster::Add(uint64_t id) {
  Config config;
  config.id = NodeId(id);
  config.seed = id;
  config.compaction_margin = 0;
  config.check_thoroughly = true;
  if (edit_) edit_(config);
  nodes_[NodeId(id)] = std::make_unique<TestNode>(config, ConfState{});
}

void Cluster::Collect() {
  for (auto& [id, node] : nodes_) {
    if (!node->up()) continue;
    node->Pump();
    for (Message& message : std::exchange(node->outbox, {})) {
      const bool lost = cut_.count({message.from, message.to}) == 1 || (lose && lose(message));
      if (!lost) wire.push_back(std::move(message));
    }
  }
}

void Cluster::DeliverOne() {
  Message message = std::move(wire.front());
  wire.pop_front();
  const auto node = nodes_.find(message.to);
  if (node == nodes_.end() || !node->second->up()) return;
  if (cut_.count({message.from, message.to}) == 1) return;
  node->second->last_step = node->second->core().Step(message);
}

void Cluster::Settle() {
  for (int steps = 0; steps < kMaxSteps; ++steps) {
    Collect();
    if (wire.empty()) return;
    DeliverOne();
  }
  ENSURE(false, "the cluster does not come to rest");
}

void Cluster::Tick(uint64_t id, int ticks) {
  for (int i = 0; i < ticks; ++i) {
    if ((*this)[id].up()) (*this)[id].core().Tick();
    Settle();
  }
}

void Cluster::TickAll(int ticks) {
  for (int i = 0; i < ticks; ++i) {
    for (auto& [id, node] : nodes_) {
      if (node->up()) node->core().Tick();
    }
    Settle();
  }
}

void Cluster::Elect(uint64_t id) {
  constexpr int kTries = 20;
  for (int i = 0; i < kTries && Leader() != id; ++i) {
    // Those who have heard of a leader do not vote before an election time-out has passed.
    for (auto& [other, node] : nodes_) {
      if (i == 0 || !node->up() || other == NodeId(Leader())) continue;
      for (int t = 1; t < node->core().config().election_ticks; ++t) node->core().Tick();
    }
    (*this)[id].core().Campaign();
    Settle();
  }
  ENSURE(Leader() == id, "the node could not be elected");
}

Proposed Cluster::Propose(uint64_t id, const std::string& command) {
  Proposed proposed = (*this)[id].core().Propose({command});
  Settle();
  return proposed;
}

uint64_t Cluster::Leader() const {
  Standing best;
  uint64_t leader = 0;
  for (const auto& [id, node] : nodes_) {
    if (!node->up()) continue;
    const Standing standing = node->core().standing();
    if (standing.role != Role::kLeader || standing.term < best.term) continue;
    best = standing;
    leader = id.value();
  }
  return leader;
}

void Cluster::Cut(uint64_t a, uint64_t b) {
  CutOneWay(a, b);
  CutOneWay(b, a);
}

void Cluster::Isolate(uint64_t id) {
  for (const auto& [other, node] : nodes_) {
    if (other != NodeId(id)) Cut(id, other.value());
  }
}

ConfState Conf(std::vector<uint64_t> voters, std::vector<uint64_t> learners) {
  ConfState conf;
  for (const uint64_t id : voters) conf.voters.emplace_back(id);
  for (const uint64_t id : learners) conf.learners.emplace_back(id);
  return conf;
}

ConfChange AddVoter(uint64_t id) {
  return {{{ConfStep::Op::kAddVoter, NodeId(id)}}, ConfChange::Transition::kAuto, {}};
}
ConfChange AddLearner(uint64_t id) {
  return {{{ConfStep::Op::kAddLearner, NodeId(id)}}, ConfChange::Transition::kAuto, {}};
}
ConfChange Remove(uint64_t id) {
  return {{{ConfStep::Op::kRemove, NodeId(id)}}, ConfChange::Transition::kAuto, {}};
}

}  // namespace matricula::raft::testing
