#include "common/storage/memory_engine.h"

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/base/mutex.h"

namespace matricula::storage {
namespace {

using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;

using Sequence = uint64_t;
constexpr Sequence kNewest = UINT64_MAX;

struct Change {
  std::string key;
  std::optional<std::string> value;  // nullopt: deleted
};

class MemoryBatch final : public WriteBatch {
 public:
  void Put(std::string_view key, std::string_view value) override {
    bytes_ += key.size() + value.size();
    changes_.push_back({std::string(key), std::string(value)});
  }
  void Delete(std::string_view key) override {
    bytes_ += key.size();
    changes_.push_back({std::string(key), std::nullopt});
  }
  void Clear() override {
    changes_.clear();
    bytes_ = 0;
  }
  size_t ByteSize() const override { return bytes_; }
  const std::vector<Change>& changes() const { return changes_; }

 private:
  std::vector<Change> changes_;
  size_t bytes_ = 0;
};

// All versions of all keys that some snapshot may still want, oldest first.
class Versions {
 public:
  struct Version {
    Sequence written;
    std::optional<std::string> value;
  };
  using Map = std::map<std::string, std::vector<Version>, std::less<>>;

  void Write(const std::vector<Change>& changes) {
    ++last_written_;
    for (const Change& change : changes) Write(change);
    if (pinned_.empty()) SweepLeftovers();
  }

  const std::string* Find(std::string_view key, Sequence at) const {
    const auto found = map_.find(key);
    return found == map_.end() ? nullptr : VisibleIn(found->second, at);
  }

  static const std::string* VisibleIn(const std::vector<Version>& versions, Sequence at) {
    for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
      if (version->written <= at) return version->value ? &*version->value : nullptr;
    }
    return nullptr;
  }

  Sequence Pin() {
    pinned_.insert(last_written_);
    return last_written_;
  }
  void Unpin(Sequence sequence) { pinned_.erase(pinned_.find(sequence)); }

  const Map& map() const { return map_; }

 private:
  void Write(const Change& change) {
    const auto [position, is_new] = map_.try_emplace(change.key);
    std::vector<Version>& versions = position->second;
    versions.push_back({last_written_, change.value});
    if (!Prune(position)) leftovers_.push_back(change.key);
  }

  // What was kept for snapshots that are gone now.
  void SweepLeftovers() {
    for (const std::string& key : leftovers_) {
      const auto position = map_.find(key);
      if (position != map_.end()) Prune(position);
    }
    leftovers_.clear();
  }

  // Drops what nobody can see: each version that is older than the next one visible to the oldest
  // pinned sequence. Returns false if some of the rest will become invisible later.
  bool Prune(Map::iterator position) {
    std::vector<Version>& versions = position->second;
    const Sequence oldest = pinned_.empty() ? last_written_ : *pinned_.begin();
    size_t first_needed = 0;
    while (first_needed + 1 < versions.size() && versions[first_needed + 1].written <= oldest) {
      ++first_needed;
    }
    versions.erase(versions.begin(), versions.begin() + static_cast<ptrdiff_t>(first_needed));
    if (versions.size() > 1) return false;
    if (versions.front().value) return true;
    map_.erase(position);
    return true;
  }

  Map map_;
  Sequence last_written_ = 0;
  std::multiset<Sequence> pinned_;
  std::vector<std::string> leftovers_;
};

struct Shared {
  base::Mutex mutex;
  Versions versions GUARDED_BY(mutex);
};

class MemorySnapshot final : public Snapshot {
 public:
  explicit MemorySnapshot(Shared& shared) : shared_(shared) {
    const MutexLock lock(shared_.mutex);
    sequence_ = shared_.versions.Pin();
  }
  ~MemorySnapshot() override {
    const MutexLock lock(shared_.mutex);
    shared_.versions.Unpin(sequence_);
  }
  Sequence sequence() const { return sequence_; }

 private:
  Shared& shared_;
  Sequence sequence_;
};

// Looks its place up by key at every move, so that writers may change the map in between.
class MemoryIterator final : public Iterator {
 public:
  MemoryIterator(Shared& shared, const ReadOptions& options)
      : shared_(shared), options_(options), pin_(shared) {
    at_ = options.snapshot == nullptr
              ? pin_.sequence()
              : static_cast<const MemorySnapshot*>(options.snapshot)->sequence();
  }

  void Seek(std::string_view key) override {
    if (options_.within_family) family_ = FilteredPart(key);
    const MutexLock lock(shared_.mutex);
    const auto& map = shared_.versions.map();
    const std::string_view from = std::max(key, std::string_view(options_.lower));
    SettleForward(map.lower_bound(from));
  }

  void SeekForPrev(std::string_view key) override {
    const MutexLock lock(shared_.mutex);
    const auto& map = shared_.versions.map();
    const bool beyond = !options_.upper.empty() && key >= options_.upper;
    SettleBackward(beyond ? map.lower_bound(options_.upper) : map.upper_bound(key));
  }

  void Next() override {
    const MutexLock lock(shared_.mutex);
    SettleForward(shared_.versions.map().upper_bound(key_));
  }

  void Prev() override {
    const MutexLock lock(shared_.mutex);
    SettleBackward(shared_.versions.map().lower_bound(key_));
  }

  bool Valid() const override { return valid_; }
  std::string_view key() const override { return key_; }
  std::string_view value() const override { return value_; }
  Status status() const override { return {}; }

 private:
  using Position = Versions::Map::const_iterator;

  // The first visible key from `position` on, within the bounds.
  void SettleForward(Position position) REQUIRES(shared_.mutex) {
    valid_ = false;
    for (; position != shared_.versions.map().end(); ++position) {
      if (!options_.upper.empty() && position->first >= options_.upper) return;
      if (options_.within_family && FilteredPart(position->first) != family_) return;
      if (Take(position)) return;
    }
  }

  // The last visible key before `position`.
  void SettleBackward(Position position) REQUIRES(shared_.mutex) {
    valid_ = false;
    while (position != shared_.versions.map().begin()) {
      --position;
      if (position->first < options_.lower) return;
      if (Take(position)) return;
    }
  }

  bool Take(Position position) REQUIRES(shared_.mutex) {
    const std::string* visible = Versions::VisibleIn(position->second, at_);
    if (visible == nullptr) return false;
    key_ = position->first;
    value_ = *visible;
    return valid_ = true;
  }

  Shared& shared_;
  const ReadOptions options_;
  const MemorySnapshot pin_;
  Sequence at_;
  std::string family_;
  bool valid_ = false;
  std::string key_;
  std::string value_;
};

class MemoryEngine final : public Engine {
 public:
  Result<std::string> Get(std::string_view key, const Snapshot* snapshot) const override {
    const Sequence at =
        snapshot == nullptr ? kNewest : static_cast<const MemorySnapshot*>(snapshot)->sequence();
    const MutexLock lock(shared_.mutex);
    const std::string* value = shared_.versions.Find(key, at);
    if (value == nullptr) return Status(Code::kNotFound, "no such key");
    return *value;
  }

  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) const override {
    return std::make_unique<MemoryIterator>(shared_, options);
  }
  std::unique_ptr<Snapshot> NewSnapshot() const override {
    return std::make_unique<MemorySnapshot>(shared_);
  }
  std::unique_ptr<WriteBatch> NewBatch() const override { return std::make_unique<MemoryBatch>(); }

  Status Write(WriteBatch& batch, Durability /*durability*/) override {
    const MutexLock lock(shared_.mutex);
    shared_.versions.Write(static_cast<MemoryBatch&>(batch).changes());
    return {};
  }

  Status Checkpoint(const std::string& /*directory*/) override {
    return {Code::kUnimplemented, "an engine in memory has no files to copy"};
  }
  Status CompactRange(std::string_view /*begin*/, std::string_view /*end*/) override { return {}; }

  EngineStats Stats() const override {
    const MutexLock lock(shared_.mutex);
    EngineStats stats;
    for (const auto& [key, versions] : shared_.versions.map()) {
      for (const auto& version : versions) {
        stats.memory_bytes += key.size() + (version.value ? version.value->size() : 0);
      }
    }
    return stats;
  }

 private:
  mutable Shared shared_;
};

}  // namespace

std::unique_ptr<Engine> NewMemoryEngine() { return std::make_unique<MemoryEngine>(); }

}  // namespace matricula::storage
