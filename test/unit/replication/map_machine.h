#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/replication/engine_snapshot.h"
#include "common/replication/meta.h"
#include "common/replication/ports.h"
#include "common/storage/engine.h"

namespace matricula::replication {

// The least state machine: a command "key=value" sets a key and answers what was there before.
class MapMachine final : public StateMachine {
 public:
  static base::Result<std::unique_ptr<MapMachine>> Open(storage::Engine& engine) {
    auto snapshots = EngineSnapshots::Open(engine, {"mlocal"});
    if (!snapshots.ok()) return snapshots.status();
    std::unique_ptr<MapMachine> machine(new MapMachine(engine, std::move(snapshots).value()));
    RETURN_IF_ERROR(machine->Load());
    return machine;
  }

  raft::SnapshotMeta Applied() const override { return applied_; }

  base::Status Apply(std::span<const Command> commands, const raft::SnapshotMeta& now) override {
    const auto batch = engine_.NewBatch();
    std::map<std::string, std::string> changed;
    for (const Command& command : commands) {
      applied_commands.emplace_back(command.bytes);
      const size_t equals = command.bytes.find('=');
      if (command.conf != nullptr || equals == std::string_view::npos) {
        if (command.answer != nullptr) *command.answer = std::string("conf");
        continue;
      }
      const std::string key = "d" + std::string(command.bytes.substr(0, equals));
      if (command.answer != nullptr) {
        const auto before = engine_.Get(key, nullptr);
        *command.answer = changed.contains(key) ? changed[key]
                          : before.ok()         ? *before
                                                : std::string();
      }
      changed[key] = command.bytes.substr(equals + 1);
      batch->Put(key, command.bytes.substr(equals + 1));
    }
    batch->Put("mnote", EncodeMeta(now));
    RETURN_IF_ERROR(engine_.Write(*batch, storage::Durability::kBuffered));
    applied_ = now;
    return {};
  }

  base::Status Sync() override {
    ++syncs;
    const auto batch = engine_.NewBatch();
    return engine_.Write(*batch, storage::Durability::kSynced);
  }

  std::unique_ptr<SnapshotSource> PinSnapshot() override {
    return refuse_snapshots ? nullptr : snapshots_->Pin(applied_);
  }
  base::Status Stage(uint64_t offset, std::string_view bytes) override {
    return snapshots_->Stage(offset, bytes);
  }
  base::Status DiscardStaged() override { return snapshots_->DiscardStaged(); }
  base::Status CheckStaged(const raft::SnapshotMeta& meta) override {
    return snapshots_->CheckStaged(meta);
  }
  base::Status InstallStaged(const raft::SnapshotMeta& meta) override {
    RETURN_IF_ERROR(snapshots_->InstallStaged(meta));
    return Load();
  }

  std::map<std::string, std::string> Contents() const {
    std::map<std::string, std::string> contents;
    const auto walk = engine_.NewIterator({});
    for (walk->Seek("d"); walk->Valid() && walk->key().starts_with('d'); walk->Next()) {
      contents[std::string(walk->key().substr(1))] = walk->value();
    }
    return contents;
  }

  std::vector<std::string> applied_commands;
  bool refuse_snapshots = false;
  int syncs = 0;

 private:
  MapMachine(storage::Engine& engine, std::unique_ptr<EngineSnapshots> snapshots)
      : engine_(engine), snapshots_(std::move(snapshots)) {}

  base::Status Load() {
    const auto note = engine_.Get("mnote", nullptr);
    if (!note.ok()) {
      return note.status().code() == base::Code::kNotFound ? base::Status() : note.status();
    }
    auto meta = DecodeMeta(*note);
    if (!meta.ok()) return meta.status();
    applied_ = std::move(meta).value();
    return {};
  }

  storage::Engine& engine_;
  std::unique_ptr<EngineSnapshots> snapshots_;
  raft::SnapshotMeta applied_;
};

}  // namespace matricula::replication
