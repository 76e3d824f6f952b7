#include "common/kv/replicated_mvcc.h"

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/ensure.h"
#include "common/base/work_times.h"
#include "common/kv/errors.h"
#include "common/kv/rows.h"
#include "common/replication/meta.h"

namespace matricula::kv {

using base::Code;
using base::Result;
using base::Status;

namespace {

// What was decided in a term that is over is passed over, on every replica alike. With a new
// configuration comes what there is to know of the members in it.
bool IsToBeExecuted(const replication::Command& command, const Command& message, bool whole) {
  if (command.conf != nullptr) return whole && message.has_member_change();
  return message.only_in_term() == 0 || message.only_in_term() == command.term.value();
}

}  // namespace

Result<std::unique_ptr<ReplicatedMvcc>> ReplicatedMvcc::Open(storage::Engine& engine, Hooks hooks) {
  // First, because it may have to finish what a crash interrupted.
  auto snapshots = replication::EngineSnapshots::Open(engine, {std::string(kIdentityRow)});
  if (!snapshots.ok()) return snapshots.status();
  auto mvcc = Mvcc::Open(engine);
  if (!mvcc.ok()) return mvcc.status();
  std::unique_ptr<ReplicatedMvcc> machine(new ReplicatedMvcc(
      engine, std::move(hooks), std::move(snapshots).value(), std::move(mvcc).value()));
  RETURN_IF_ERROR(machine->LoadNote());
  return machine;
}

Status ReplicatedMvcc::LoadNote() {
  if (mvcc_->note().empty()) return {};
  Result<raft::SnapshotMeta> applied = replication::DecodeMeta(mvcc_->note());
  if (!applied.ok()) return applied.status();
  applied_ = std::move(applied).value();
  return {};
}

Status ReplicatedMvcc::Apply(std::span<const replication::Command> commands,
                             const raft::SnapshotMeta& now) {
  const base::work_times::Applying applying;
  std::optional<base::Stopwatch> stopwatch;
  if (hooks_.apply_times != nullptr) stopwatch.emplace(*hooks_.clock, *hooks_.apply_times);
  std::deque<Command> parsed;
  std::vector<LogCommand> group;
  group.reserve(commands.size());
  for (const replication::Command& command : commands) {
    Command& message = parsed.emplace_back();
    const bool whole =
        message.ParseFromArray(command.bytes.data(), static_cast<int>(command.bytes.size()));
    // Everything in the log was serialised by a replica; what cannot be parsed is damage. Not so
    // the context of a new configuration, which may be of any kind.
    if (!whole && command.conf == nullptr) {
      return {Code::kDataLoss, "a command of the log cannot be parsed"};
    }
    if (IsToBeExecuted(command, message, whole)) group.push_back({command.index.value(), &message});
  }
  Result<std::vector<Outcome>> outcomes =
      mvcc_->Apply(group, storage::Durability::kBuffered, replication::EncodeMeta(now));
  if (!outcomes.ok()) return outcomes.status();
  applied_ = now;
  size_t next = 0;
  for (size_t i = 0; i < commands.size(); ++i) {
    const replication::Command& command = commands[i];
    Outcome outcome{command.conf != nullptr ? Status() : errors::LeaderChanged(), {}};
    if (next < group.size() && group[next].index == command.index.value()) {
      outcome = std::move((*outcomes)[next++]);
      if (hooks_.on_applied) hooks_.on_applied(parsed[i], outcome);
    }
    if (command.conf != nullptr && hooks_.on_conf) hooks_.on_conf(*command.conf, command.bytes);
    if (command.answer != nullptr) *command.answer = std::move(outcome);
  }
  return {};
}

Status ReplicatedMvcc::Sync() {
  const auto batch = engine_.NewBatch();
  return engine_.Write(*batch, storage::Durability::kSynced);
}

Result<bool> ReplicatedMvcc::KeepHouse() {
  RETURN_IF_ERROR(mvcc_->CleanUp());
  if (mvcc_->NeedsCleanUp()) return true;
  if (hooks_.on_clean) hooks_.on_clean();
  return false;
}

Status ReplicatedMvcc::Adopt(raft::Term term, const raft::ConfState& conf) {
  ENSURE(mvcc_->note().empty(), "this store has a history of its own with a log");
  const raft::SnapshotMeta meta{raft::Index(mvcc_->applied_index()), term, conf};
  const auto none = mvcc_->Apply({}, storage::Durability::kSynced, replication::EncodeMeta(meta));
  if (!none.ok()) return none.status();
  applied_ = meta;
  return {};
}

// After a crash within a large group the rows may be ahead of the note; the log brings the note
// forward soon.
std::unique_ptr<replication::SnapshotSource> ReplicatedMvcc::PinSnapshot() {
  if (mvcc_->applied_index() > applied_.index.value()) return nullptr;
  if (hooks_.may_be_shared && !hooks_.may_be_shared()) return nullptr;
  return snapshots_->Pin(applied_);
}

Status ReplicatedMvcc::Stage(uint64_t offset, std::string_view bytes) {
  return snapshots_->Stage(offset, bytes);
}

Status ReplicatedMvcc::DiscardStaged() { return snapshots_->DiscardStaged(); }

Status ReplicatedMvcc::CheckStaged(const raft::SnapshotMeta& meta) {
  return snapshots_->CheckStaged(meta);
}

Status ReplicatedMvcc::InstallStaged(const raft::SnapshotMeta& meta) {
  mvcc_->BeginReplacement();
  RETURN_IF_ERROR(snapshots_->InstallStaged(meta));
  RETURN_IF_ERROR(mvcc_->EndReplacement());
  RETURN_IF_ERROR(LoadNote());
  if (applied_ != meta) return {Code::kDataLoss, "the snapshot's note is not what it announced"};
  if (hooks_.on_replaced) hooks_.on_replaced();
  return {};
}

}  // namespace matricula::kv
