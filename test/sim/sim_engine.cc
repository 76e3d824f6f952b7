#include "test/sim/sim_engine.h"

#include <utility>

#include "common/replication/snapshot_format.h"
#include "common/storage/memory_engine.h"

namespace matricula::sim {
namespace {

using base::Code;
using base::Result;
using base::Status;

Status PowerIsOff() { return {Code::kUnavailable, "the power is off"}; }

bool OfLog(std::string_view key) { return key.starts_with(replication::kNodeTable); }

}  // namespace

class SimEngine::Batch final : public storage::WriteBatch {
 public:
  explicit Batch(size_t scale) : scale_(scale) {}

  void Put(std::string_view key, std::string_view value) override {
    bytes_ += scale_ * (key.size() + value.size());
    changes.push_back({std::string(key), std::string(value)});
  }
  void Delete(std::string_view key) override {
    bytes_ += scale_ * key.size();
    changes.push_back({std::string(key), std::nullopt});
  }
  void Clear() override {
    changes.clear();
    bytes_ = 0;
  }
  size_t ByteSize() const override { return bytes_; }

  std::vector<Change> changes;

 private:
  const size_t scale_;
  size_t bytes_ = 0;
};

// Passes a walk on until it comes to a row that cannot be read.
class SimEngine::CheckedIterator final : public storage::Iterator {
 public:
  CheckedIterator(const SimEngine& engine, std::unique_ptr<storage::Iterator> inner)
      : engine_(engine), inner_(std::move(inner)) {}

  void Seek(std::string_view key) override {
    if (status_.ok()) status_ = engine_.CheckRead();
    inner_->Seek(key);
    Look();
  }
  void SeekForPrev(std::string_view key) override {
    if (status_.ok()) status_ = engine_.CheckRead();
    inner_->SeekForPrev(key);
    Look();
  }
  void Next() override {
    inner_->Next();
    Look();
  }
  void Prev() override {
    inner_->Prev();
    Look();
  }
  bool Valid() const override { return status_.ok() && inner_->Valid(); }
  std::string_view key() const override { return inner_->key(); }
  std::string_view value() const override { return inner_->value(); }
  Status status() const override { return status_.ok() ? inner_->status() : status_; }

 private:
  void Look() {
    if (status_.ok() && inner_->Valid()) status_ = engine_.CheckRow(inner_->key());
  }

  const SimEngine& engine_;
  std::unique_ptr<storage::Iterator> inner_;
  Status status_;
};

SimEngine::SimEngine(uint64_t seed, size_t batch_scale)
    : random_(seed), batch_scale_(batch_scale), inner_(storage::NewMemoryEngine()) {}

// ---- reading ----

Status SimEngine::CheckRead() const {
  if (!powered_) return PowerIsOff();
  if (!reads_until_error_) return {};
  if (*reads_until_error_ > 0) {
    --*reads_until_error_;
    return {};
  }
  reads_until_error_.reset();
  return {Code::kUnknown, "the disk does not read"};
}

Status SimEngine::CheckRow(std::string_view key) const {
  if (unreadable_.empty() || !unreadable_.contains(key)) return {};
  return {Code::kDataLoss, "a block's checksum is wrong"};
}

Result<std::string> SimEngine::Get(std::string_view key, const storage::Snapshot* snapshot) const {
  RETURN_IF_ERROR(CheckRead());
  RETURN_IF_ERROR(CheckRow(key));
  return inner_->Get(key, snapshot);
}

std::unique_ptr<storage::Iterator> SimEngine::NewIterator(
    const storage::ReadOptions& options) const {
  return std::make_unique<CheckedIterator>(*this, inner_->NewIterator(options));
}

std::optional<std::string> SimEngine::Durable(const std::string& key) const {
  for (const std::vector<Change>& batch : undo_) {
    for (const Change& before : batch) {
      if (before.key == key) return before.value;
    }
  }
  return Peek(key);
}

std::optional<std::string> SimEngine::Peek(const std::string& key) const {
  Result<std::string> value = inner_->Get(key, nullptr);
  return value.ok() ? std::optional(std::move(value).value()) : std::nullopt;
}

// ---- writing ----

std::unique_ptr<storage::WriteBatch> SimEngine::NewBatch() const {
  return std::make_unique<Batch>(batch_scale_);
}

Status SimEngine::Write(storage::WriteBatch& batch, storage::Durability durability) {
  const std::vector<Change>& changes = static_cast<Batch&>(batch).changes;
  if (!powered_) return PowerIsOff();
  if (full_) {
    // Nobody knows how much of it went in.
    if (random_.Chance(0.5)) Apply(changes, changes.size());
    return {Code::kResourceExhausted, "no space left on the disk"};
  }
  if (writes_until_cut_ && (*writes_until_cut_)-- == 0) {
    writes_until_cut_.reset();
    powered_ = false;
    if (last_ == Last::kWritten) Apply(changes, changes.size());
    if (last_ == Last::kTorn && AppendsToLog(changes)) {
      Apply(changes, random_.Below(changes.size() + 1));
    }
    return PowerIsOff();
  }
  Apply(changes, changes.size());
  ++writes_;
  if (durability == storage::Durability::kSynced) {
    undo_.clear();
    ++syncs_;
  }
  return {};
}

// Nothing but new rows of the log, and its description at the end.
bool SimEngine::AppendsToLog(const std::vector<Change>& changes) const {
  for (size_t i = 0; i < changes.size(); ++i) {
    const Change& change = changes[i];
    const bool last = i + 1 == changes.size();
    if (!OfLog(change.key) || !change.value) return false;
    if (!last && inner_->Get(change.key, nullptr).ok()) return false;
  }
  return true;
}

void SimEngine::Apply(const std::vector<Change>& changes, size_t count) {
  std::vector<Change>& before = undo_.emplace_back();
  const auto batch = inner_->NewBatch();
  for (size_t i = 0; i < count; ++i) {
    const Change& change = changes[i];
    Result<std::string> old = inner_->Get(change.key, nullptr);
    before.push_back({change.key, old.ok() ? std::optional(std::move(old).value()) : std::nullopt});
    if (change.value) {
      batch->Put(change.key, *change.value);
    } else {
      batch->Delete(change.key);
    }
    if (!unreadable_.empty()) unreadable_.erase(change.key);
  }
  (void)inner_->Write(*batch, storage::Durability::kSynced);
}

// Takes the last batch back.
void SimEngine::Undo() {
  const auto batch = inner_->NewBatch();
  for (auto change = undo_.back().rbegin(); change != undo_.back().rend(); ++change) {
    if (change->value) {
      batch->Put(change->key, *change->value);
    } else {
      batch->Delete(change->key);
    }
  }
  (void)inner_->Write(*batch, storage::Durability::kSynced);
  undo_.pop_back();
}

// ---- faults ----

void SimEngine::CutPowerAfter(uint64_t writes, Last last) {
  writes_until_cut_ = writes;
  last_ = last;
}

void SimEngine::PowerOn(Loss loss) {
  size_t kept = undo_.size();
  if (loss == Loss::kEverything) kept = 0;
  if (loss == Loss::kPrefix) kept = random_.Below(undo_.size() + 1);
  if (loss == Loss::kReordered) {
    for (kept = 0; kept < undo_.size() && random_.Chance(0.7);) ++kept;
  }
  while (undo_.size() > kept) Undo();
  undo_.clear();  // what is there after a restart is on the disk
  powered_ = true;
  writes_until_cut_.reset();
  reads_until_error_.reset();
}

std::vector<std::string> SimEngine::KeysOf(bool log) const {
  std::vector<std::string> keys;
  const auto walk = inner_->NewIterator({});
  for (walk->Seek({}); walk->Valid(); walk->Next()) {
    if (OfLog(walk->key()) == log) keys.emplace_back(walk->key());
  }
  return keys;
}

bool SimEngine::FlipBitOfLog() {
  const std::vector<std::string> keys = KeysOf(true);
  if (keys.empty()) return false;
  const std::string& key = random_.Pick(keys);
  std::string value = *inner_->Get(key, nullptr);
  if (value.empty()) return false;
  const uint64_t bit = random_.Below(value.size() * 8);
  value[bit / 8] = static_cast<char>(value[bit / 8] ^ (1 << bit % 8));
  const auto batch = inner_->NewBatch();
  batch->Put(key, value);
  return inner_->Write(*batch, storage::Durability::kSynced).ok();
}

bool SimEngine::DamageState() {
  const std::vector<std::string> keys = KeysOf(false);
  if (keys.empty()) return false;
  unreadable_.insert(random_.Pick(keys));
  return true;
}

}  // namespace matricula::sim
