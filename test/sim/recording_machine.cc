#include "test/sim/recording_machine.h"

#include <fmt/format.h>

#include <utility>

#include "common/replication/coding.h"

namespace matricula::sim {

using base::Status;
using replication::Command;

std::string RecordingMachine::Tagged(uint64_t tag, const kv::Command& command) {
  std::string bytes;
  replication::AppendLittleEndian(bytes, tag);
  command.AppendToString(&bytes);
  return bytes;
}

RecordingMachine::RecordingMachine(World& world, Truth& truth, raft::NodeId id,
                                   kv::ReplicatedMvcc& inner, Random random, double check_share)
    : world_(world),
      truth_(truth),
      id_(id),
      inner_(inner),
      random_(random),
      check_share_(check_share) {}

Status RecordingMachine::Apply(std::span<const Command> commands, const raft::SnapshotMeta& now) {
  std::vector<Command> untagged(commands.begin(), commands.end());
  std::vector<std::any> answers(commands.size());
  std::vector<Truth::Applied> group;
  group.reserve(commands.size());
  for (size_t i = 0; i < untagged.size(); ++i) {
    Command& command = untagged[i];
    Truth::Applied applied{command.index, command.term, 0, {}, command.conf};
    if (applied.conf == nullptr && !replication::TakeLittleEndian(command.bytes, applied.tag)) {
      return {base::Code::kDataLoss, "a proposal without a tag"};
    }
    applied.bytes = command.bytes;
    if (command.answer != nullptr) command.answer = &answers[i];
    group.push_back(applied);
  }
  if (now.index > inner_.Applied().index || !commands.empty()) {
    truth_.OnApply(id_, inner_.Applied().index, group, now.index);
  }
  truth_.OnConf(id_, now.index, now.conf);
  RETURN_IF_ERROR(inner_.Apply(untagged, now));
  for (size_t i = 0; i < commands.size(); ++i) {
    if (commands[i].answer == nullptr || commands[i].conf != nullptr) continue;
    *commands[i].answer =
        Answered{commands[i].index, std::any_cast<kv::Outcome>(std::move(answers[i]))};
  }
  TellDigest();
  return random_.Chance(check_share_) ? CheckState() : Status();
}

void RecordingMachine::TellDigest() {
  const raft::Index applied = inner_.Applied().index;
  // In between after a crash; the log brings the rest.
  if (inner_.mvcc().applied_index() > applied.value() || applied > truth_.last()) return;
  truth_.OnDigest(id_, applied, inner_.mvcc().digest());
}

Status RecordingMachine::InstallStaged(const raft::SnapshotMeta& meta) {
  if (before_install) before_install();
  RETURN_IF_ERROR(inner_.InstallStaged(meta));
  world_.Trace("installed", id_.value(), meta.index.value());
  TellDigest();
  return CheckState();
}

Status RecordingMachine::CheckState() {
  const raft::Index applied = inner_.Applied().index;
  // In between after a crash; the log brings the rest.
  if (inner_.mvcc().applied_index() > applied.value() || applied > truth_.last()) return {};
  etcdserverpb::RangeRequest all;
  all.set_key(std::string(1, '\0'));
  all.set_range_end(std::string(1, '\0'));
  const auto everything = inner_.mvcc().Range(all);
  if (!everything.ok()) return everything.status();
  const auto leases = inner_.mvcc().Leases();
  if (!leases.ok()) return leases.status();
  truth_.OnConf(id_, applied, inner_.Applied().conf);
  truth_.OnState(id_, applied, inner_.mvcc().revision(), Model::HashOf(*everything, *leases));
  return {};
}

}  // namespace matricula::sim
