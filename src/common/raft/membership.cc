#include "common/raft/membership.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/ensure.h"
#include "common/raft/mutant.h"

namespace matricula::raft {
namespace {

using base::Code;
using base::Status;

bool Has(const std::vector<NodeId>& nodes, NodeId node) {
  return std::binary_search(nodes.begin(), nodes.end(), node);
}

void Insert(std::vector<NodeId>& nodes, NodeId node) {
  const auto place = std::lower_bound(nodes.begin(), nodes.end(), node);
  if (place == nodes.end() || *place != node) nodes.insert(place, node);
}

void Erase(std::vector<NodeId>& nodes, NodeId node) { std::erase(nodes, node); }

std::string Name(NodeId node) { return "member " + std::to_string(node.value()); }

Status CheckSteps(const ConfState& current, const std::vector<ConfStep>& steps) {
  std::vector<NodeId> named;
  for (const ConfStep& step : steps) {
    if (step.node == kNobody) return {Code::kInvalidArgument, "member 0 is nobody"};
    if (Has(named, step.node)) {
      return {Code::kInvalidArgument, Name(step.node) + " is named twice in one change"};
    }
    Insert(named, step.node);
    if (step.op == ConfStep::Op::kRemove && !current.IsMember(step.node)) {
      return {Code::kInvalidArgument, Name(step.node) + " is not of the group"};
    }
  }
  return base::OkStatus();
}

// A voter that becomes a learner goes on voting in the old half, so that it is a learner only when
// joint ends.
void Demote(ConfState& conf, NodeId node) {
  Erase(conf.voters, node);
  Insert(Has(conf.outgoing, node) ? conf.learners_next : conf.learners, node);
}

void Take(ConfState& conf, const ConfStep& step) {
  switch (step.op) {
    case ConfStep::Op::kAddVoter:
      Erase(conf.learners, step.node);
      Insert(conf.voters, step.node);
      return;
    case ConfStep::Op::kAddLearner:
      Demote(conf, step.node);
      return;
    case ConfStep::Op::kRemove:
      Erase(conf.voters, step.node);
      Erase(conf.learners, step.node);
      return;
  }
}

size_t VotersChanged(const ConfState& current, const std::vector<ConfStep>& steps) {
  return static_cast<size_t>(std::count_if(steps.begin(), steps.end(), [&](const ConfStep& step) {
    return Has(current.voters, step.node) != (step.op == ConfStep::Op::kAddVoter);
  }));
}

base::Result<ConfState> LeaveJoint(ConfState conf) {
  if (!conf.IsJoint()) return Status(Code::kInvalidArgument, "a change without steps");
  conf.outgoing.clear();
  for (const NodeId node : conf.learners_next) Insert(conf.learners, node);
  conf.learners_next.clear();
  conf.auto_leave = false;
  return conf;
}

void PutNumber(std::string& out, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
}

// Takes little-endian numbers from the front of `bytes`; once something was missing, `ok` is false
// and all further numbers are 0.
struct Reader {
  std::string_view bytes;
  bool ok = true;

  uint64_t Number(size_t width) {
    if (bytes.size() < width) ok = false;
    if (!ok) return 0;
    uint64_t number = 0;
    for (size_t i = 0; i < width; ++i) {
      number |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    bytes.remove_prefix(width);
    return number;
  }

  std::vector<NodeId> Nodes() {
    const uint64_t count = Number(4);
    if (count > bytes.size() / 8) ok = false;
    std::vector<NodeId> nodes;
    for (uint64_t i = 0; ok && i < count; ++i) {
      const NodeId node(Number(8));
      if (node == kNobody || (!nodes.empty() && node <= nodes.back())) ok = false;
      nodes.push_back(node);
    }
    return nodes;
  }
};

constexpr uint8_t kConfFormat = 1;
constexpr uint8_t kAutoLeaveFlag = 1;

}  // namespace

bool ConfState::IsVoter(NodeId node) const { return Has(voters, node) || Has(outgoing, node); }

bool ConfState::IsMember(NodeId node) const {
  return IsVoter(node) || Has(learners, node) || Has(learners_next, node);
}

std::vector<NodeId> ConfState::Members() const {
  std::vector<NodeId> members;
  for (const auto* list : {&voters, &outgoing, &learners, &learners_next}) {
    for (const NodeId node : *list) Insert(members, node);
  }
  return members;
}

base::Result<ConfState> Reconfigure(const ConfState& current, const ConfChange& change) {
  if (change.steps.empty()) return LeaveJoint(current);
  if (current.IsJoint()) {
    return Status(Code::kFailedPrecondition, "the configuration is joint: end that first");
  }
  if (Status status = CheckSteps(current, change.steps); !status.ok()) return status;

  ConfState next = current;
  if (change.transition != ConfChange::Transition::kAuto ||
      VotersChanged(current, change.steps) > 1) {
    next.outgoing = current.voters;
    next.auto_leave = change.transition != ConfChange::Transition::kJointExplicit;
  }
  for (const ConfStep& step : change.steps) Take(next, step);
  if (next.voters.empty()) return Status(Code::kInvalidArgument, "no voter would be left");
  return next;
}

Payload EncodeConfEntry(const ConfEntry& entry) {
  std::string out;
  PutNumber(out, kConfFormat, 1);
  PutNumber(out, entry.conf.auto_leave ? kAutoLeaveFlag : 0, 1);
  for (const auto* list : {&entry.conf.voters, &entry.conf.outgoing, &entry.conf.learners,
                           &entry.conf.learners_next}) {
    PutNumber(out, list->size(), 4);
    for (const NodeId node : *list) PutNumber(out, node.value(), 8);
  }
  out.append(entry.context.view());
  return out;
}

base::Result<ConfEntry> DecodeConfEntry(std::string_view bytes) {
  Reader in{bytes};
  const bool known = in.Number(1) == kConfFormat;
  const uint64_t flags = in.Number(1);
  ConfEntry entry;
  entry.conf.auto_leave = flags == kAutoLeaveFlag;
  entry.conf.voters = in.Nodes();
  entry.conf.outgoing = in.Nodes();
  entry.conf.learners = in.Nodes();
  entry.conf.learners_next = in.Nodes();
  if (!known || !in.ok || flags > kAutoLeaveFlag || entry.conf.voters.empty()) {
    return Status(Code::kDataLoss, "not a configuration entry");
  }
  entry.context = std::string(in.bytes);
  return entry;
}

const ConfHistory::Item& ConfHistory::At(Index index) const {
  ENSURE(items_.front().index <= index, "that configuration has been forgotten");
  return *std::prev(std::find_if(items_.begin() + 1, items_.end(),
                                 [&](const Item& item) { return item.index > index; }));
}

std::vector<const ConfState*> ConfHistory::Since(Index commit) const {
  std::vector<const ConfState*> confs;
  for (const Item* item = &At(commit); item != items_.data() + items_.size(); ++item) {
    confs.push_back(&item->conf);
  }
  return confs;
}

void ConfHistory::Append(Index index, ConfState conf) {
  ENSURE(items_.back().index < index, "configurations stand in the log's order");
  items_.push_back({index, std::move(conf)});
}

void ConfHistory::TruncateFrom(Index index) {
  if (MutantIs(21)) return;
  ENSURE(items_.front().index < index, "a configuration that was applied cannot be truncated");
  std::erase_if(items_, [&](const Item& item) { return item.index >= index; });
}

void ConfHistory::Trim(Index applied) {
  const auto keep = items_.begin() + (&At(applied) - items_.data());
  items_.erase(items_.begin(), keep);
}

void ConfHistory::Reset(Index index, ConfState conf) { items_ = {{index, std::move(conf)}}; }

}  // namespace matricula::raft
