#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "common/storage/memory_engine.h"

namespace matricula::replication {

// An engine in memory whose disk can fail when a test wants it to, and that counts syncs.
class FaultyEngine final : public storage::Engine {
 public:
  using ReadOptions = storage::ReadOptions;
  using Snapshot = storage::Snapshot;

  base::Result<std::string> Get(std::string_view key, const Snapshot* snapshot) const override {
    if (!read_error.ok()) return read_error;
    if (failing_gets > 0) {
      --failing_gets;
      return base::Status(base::Code::kUnknown, "the disk does not read");
    }
    return inner_->Get(key, snapshot);
  }
  std::unique_ptr<storage::Iterator> NewIterator(const ReadOptions& options) const override {
    return std::make_unique<FaultyIterator>(inner_->NewIterator(options), *this);
  }
  std::unique_ptr<Snapshot> NewSnapshot() const override { return inner_->NewSnapshot(); }
  std::unique_ptr<storage::WriteBatch> NewBatch() const override { return inner_->NewBatch(); }
  base::Status Write(storage::WriteBatch& batch, storage::Durability durability) override {
    if (writes_left == 0) return {base::Code::kUnknown, "the disk is gone"};
    if (writes_left > 0) --writes_left;
    if (!write_error.ok()) return write_error;
    ++writes;
    if (durability == storage::Durability::kSynced) ++syncs;
    largest_batch = std::max(largest_batch, batch.ByteSize());
    return inner_->Write(batch, durability);
  }
  base::Status Checkpoint(const std::string& directory) override {
    return inner_->Checkpoint(directory);
  }
  base::Status CompactRange(std::string_view begin, std::string_view end) override {
    return inner_->CompactRange(begin, end);
  }
  storage::EngineStats Stats() const override { return inner_->Stats(); }

  // Past all counting and failing.
  void Put(std::string_view key, std::string_view value) {
    const auto batch = inner_->NewBatch();
    batch->Put(key, value);
    (void)inner_->Write(*batch, storage::Durability::kSynced);
  }
  void Delete(std::string_view key) {
    const auto batch = inner_->NewBatch();
    batch->Delete(key);
    (void)inner_->Write(*batch, storage::Durability::kSynced);
  }
  size_t CountKeys(std::string_view prefix) const {
    const auto walk = inner_->NewIterator({});
    size_t count = 0;
    for (walk->Seek(prefix); walk->Valid() && walk->key().starts_with(prefix); walk->Next()) {
      ++count;
    }
    return count;
  }

  base::Status read_error;
  mutable int failing_gets = 0;  // so many of the next
  base::Status write_error;
  std::atomic<int> writes_left = -1;  // until everything fails; -1: for ever
  int writes = 0;
  int syncs = 0;
  size_t largest_batch = 0;

 private:
  class FaultyIterator final : public storage::Iterator {
   public:
    FaultyIterator(std::unique_ptr<storage::Iterator> inner, const FaultyEngine& engine)
        : inner_(std::move(inner)), engine_(engine) {}
    void Seek(std::string_view key) override { inner_->Seek(key); }
    void SeekForPrev(std::string_view key) override { inner_->SeekForPrev(key); }
    void Next() override { inner_->Next(); }
    void Prev() override { inner_->Prev(); }
    bool Valid() const override { return engine_.read_error.ok() && inner_->Valid(); }
    std::string_view key() const override { return inner_->key(); }
    std::string_view value() const override { return inner_->value(); }
    base::Status status() const override {
      return engine_.read_error.ok() ? inner_->status() : engine_.read_error;
    }

   private:
    std::unique_ptr<storage::Iterator> inner_;
    const FaultyEngine& engine_;
  };

  std::unique_ptr<storage::Engine> inner_ = storage::NewMemoryEngine();
};

}  // namespace matricula::replication
