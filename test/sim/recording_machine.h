#pragma once

#include <functional>
#include <memory>
#include <span>

#include "common/kv/replicated_mvcc.h"
#include "common/replication/ports.h"
#include "test/sim/truth.h"

namespace matricula::sim {

// Stands between a driver and its state machine, and tells the judge what passes. Every proposal
// of a run carries a tag of its own in front, which is taken off here.
class RecordingMachine final : public replication::StateMachine {
 public:
  static constexpr size_t kTagBytes = sizeof(uint64_t);
  static std::string Tagged(uint64_t tag, const kv::Command& command);

  // `check_share`: of the groups applied, how many are followed by a check of the whole state.
  RecordingMachine(World& world, Truth& truth, raft::NodeId id, kv::ReplicatedMvcc& inner,
                   Random random, double check_share);

  raft::SnapshotMeta Applied() const override { return inner_.Applied(); }
  base::Status Apply(std::span<const replication::Command> commands,
                     const raft::SnapshotMeta& now) override;
  base::Status Sync() override { return inner_.Sync(); }
  base::Result<bool> KeepHouse() override { return inner_.KeepHouse(); }
  std::unique_ptr<replication::SnapshotSource> PinSnapshot() override {
    return inner_.PinSnapshot();
  }
  base::Status Stage(uint64_t offset, std::string_view bytes) override {
    return inner_.Stage(offset, bytes);
  }
  base::Status DiscardStaged() override { return inner_.DiscardStaged(); }
  base::Status CheckStaged(const raft::SnapshotMeta& meta) override {
    return inner_.CheckStaged(meta);
  }
  base::Status InstallStaged(const raft::SnapshotMeta& meta) override;

  std::function<void()> before_install;

  // Compares the whole state with the model's. Costs a walk over all keys.
  base::Status CheckState();

 private:
  void TellDigest();

  World& world_;
  Truth& truth_;
  const raft::NodeId id_;
  kv::ReplicatedMvcc& inner_;
  Random random_;
  const double check_share_;
};

}  // namespace matricula::sim
