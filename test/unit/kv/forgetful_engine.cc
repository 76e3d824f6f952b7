#include "test/unit/kv/forgetful_engine.h"

#include <algorithm>

#include "common/base/ensure.h"

namespace matricula::kv::test {

class ForgetfulEngine::Batch final : public storage::WriteBatch {
 public:
  void Put(std::string_view key, std::string_view value) override {
    changes_.push_back({std::string(key), std::string(value)});
  }
  void Delete(std::string_view key) override {
    changes_.push_back({std::string(key), std::nullopt});
  }
  void Clear() override { changes_.clear(); }
  size_t ByteSize() const override { return changes_.size(); }
  const Changes& changes() const { return changes_; }

 private:
  Changes changes_;
};

std::unique_ptr<storage::WriteBatch> ForgetfulEngine::NewBatch() const {
  return std::make_unique<Batch>();
}

void ForgetfulEngine::Write(storage::Engine& engine, const Changes& changes) {
  const auto batch = engine.NewBatch();
  for (const Change& change : changes) {
    if (change.value) {
      batch->Put(change.key, *change.value);
    } else {
      batch->Delete(change.key);
    }
  }
  ENSURE(engine.Write(*batch, storage::Durability::kSynced).ok(), "memory takes all writes");
}

base::Status ForgetfulEngine::Write(storage::WriteBatch& batch, storage::Durability durability) {
  const Changes& changes = static_cast<Batch&>(batch).changes();
  Write(*memory_, changes);
  unsynced_.push_back(changes);
  if (durability != storage::Durability::kSynced) return {};
  for (const Changes& lasting : unsynced_) Write(*disk_, lasting);
  unsynced_.clear();
  for (const Change& change : changes) {
    State state;
    if (change.key == kStateRow && ParseState(*change.value, state)) {
      marked_index_ = state.applied_index;
    }
  }
  return {};
}

void ForgetfulEngine::Crash(size_t survivors) {
  for (size_t i = 0; i < std::min(survivors, unsynced_.size()); ++i) Write(*disk_, unsynced_[i]);
  unsynced_.clear();
  memory_ = storage::NewMemoryEngine();
  const auto batch = memory_->NewBatch();
  const auto rows = disk_->NewIterator({});
  for (rows->Seek(""); rows->Valid(); rows->Next()) batch->Put(rows->key(), rows->value());
  ENSURE(memory_->Write(*batch, storage::Durability::kSynced).ok(), "memory takes all writes");
}

}  // namespace matricula::kv::test
