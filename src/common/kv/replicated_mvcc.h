#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "common/base/clock.h"
#include "common/base/histogram.h"
#include "common/kv/mvcc.h"
#include "common/replication/engine_snapshot.h"
#include "common/replication/ports.h"

namespace matricula::kv {

// The store as the state machine of a replicated log. A command's bytes are a Command; its answer
// is an Outcome. The context of a configuration change may be a Command, too, with a member_change
// in it. What the log must remember beside the data (index, term, configuration) goes into the
// store's note, in the same batch.
class ReplicatedMvcc final : public replication::StateMachine {
 public:
  struct Hooks {
    // After every group, for each of its commands: what follows from it outside the store.
    std::function<void(const Command&, const Outcome&)> on_applied;
    // The group's configuration has changed; `context` is what its proposer added.
    std::function<void(const raft::ConfState&, std::string_view context)> on_conf;
    // All rows have been replaced: whatever was derived from them is to be derived anew.
    std::function<void()> on_replaced;
    // Nothing is left to be cleaned up.
    std::function<void()> on_clean = nullptr;
    // How long applying a group takes; nullptr: nobody wants to know.
    const base::Clock* clock = nullptr;
    base::Histogram* apply_times = nullptr;
    // Whether this state may go to others as a snapshot. Absent: it may.
    std::function<bool()> may_be_shared = nullptr;
  };

  // Takes up what the engine holds, an interrupted snapshot included. The engine must outlive it.
  // Errors as of Mvcc::Open and EngineSnapshots::Open.
  static base::Result<std::unique_ptr<ReplicatedMvcc>> Open(storage::Engine& engine, Hooks hooks);

  // Makes a store that has been without a log until now the state that one begins with: what it
  // has applied stands for an entry of `term`. Durable on return.
  base::Status Adopt(raft::Term term, const raft::ConfState& conf);
  // Whether a log has ever been applied to it, or it has been adopted by one.
  bool HasHistory() const { return !mvcc_->note().empty(); }

  Mvcc& mvcc() { return *mvcc_; }
  const Mvcc& mvcc() const { return *mvcc_; }

  raft::SnapshotMeta Applied() const override { return applied_; }
  base::Status Apply(std::span<const replication::Command> commands,
                     const raft::SnapshotMeta& now) override;
  base::Status Sync() override;
  base::Result<bool> KeepHouse() override;
  std::unique_ptr<replication::SnapshotSource> PinSnapshot() override;
  base::Status Stage(uint64_t offset, std::string_view bytes) override;
  base::Status DiscardStaged() override;
  base::Status CheckStaged(const raft::SnapshotMeta& meta) override;
  base::Status InstallStaged(const raft::SnapshotMeta& meta) override;

 private:
  ReplicatedMvcc(storage::Engine& engine, Hooks hooks,
                 std::unique_ptr<replication::EngineSnapshots> snapshots,
                 std::unique_ptr<Mvcc> mvcc)
      : engine_(engine),
        hooks_(std::move(hooks)),
        snapshots_(std::move(snapshots)),
        mvcc_(std::move(mvcc)) {}

  base::Status LoadNote();

  storage::Engine& engine_;
  const Hooks hooks_;
  const std::unique_ptr<replication::EngineSnapshots> snapshots_;
  const std::unique_ptr<Mvcc> mvcc_;
  raft::SnapshotMeta applied_;
};

}  // namespace matricula::kv
