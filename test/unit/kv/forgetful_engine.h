#pragma once

#include <memory>
#include <vector>

#include "common/kv/rows.h"
#include "common/storage/engine.h"
#include "common/storage/memory_engine.h"

namespace matricula::kv::test {

// An engine on a disk that forgets what was not synced when the power fails: all of it, or all
// but a beginning.
class ForgetfulEngine final : public storage::Engine {
 public:
  // The power fails. `survivors` of the unsynced batches reached the disk.
  void Crash(size_t survivors);
  // The newest applied index that a synced batch had.
  uint64_t marked_index() const { return marked_index_; }

  base::Result<std::string> Get(std::string_view key,
                                const storage::Snapshot* snapshot) const override {
    return memory_->Get(key, snapshot);
  }
  std::unique_ptr<storage::Iterator> NewIterator(
      const storage::ReadOptions& options) const override {
    return memory_->NewIterator(options);
  }
  std::unique_ptr<storage::Snapshot> NewSnapshot() const override { return memory_->NewSnapshot(); }
  std::unique_ptr<storage::WriteBatch> NewBatch() const override;
  base::Status Write(storage::WriteBatch& batch, storage::Durability durability) override;
  base::Status Checkpoint(const std::string& directory) override {
    return memory_->Checkpoint(directory);
  }
  base::Status CompactRange(std::string_view /*begin*/, std::string_view /*end*/) override {
    return {};
  }
  storage::EngineStats Stats() const override { return memory_->Stats(); }

 private:
  class Batch;
  struct Change {
    std::string key;
    std::optional<std::string> value;
  };
  using Changes = std::vector<Change>;

  static void Write(storage::Engine& engine, const Changes& changes);

  std::unique_ptr<storage::Engine> memory_ = storage::NewMemoryEngine();  // with everything
  std::unique_ptr<storage::Engine> disk_ = storage::NewMemoryEngine();    // what was synced
  std::vector<Changes> unsynced_;
  uint64_t marked_index_ = 0;
};

}  // namespace matricula::kv::test
