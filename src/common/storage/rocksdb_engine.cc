#include "common/storage/rocksdb_engine.h"

#include <fcntl.h>
#include <rocksdb/db.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/ensure.h"
#include "common/base/work_times.h"
#include "common/storage/rocksdb_files.h"
#include "common/storage/rocksdb_options.h"

namespace matricula::storage {
namespace {

using base::Code;
using base::Result;
using base::Status;

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

Status ToStatus(const rocksdb::Status& status) {
  if (status.ok()) return {};
  if (status.IsNotFound()) return {Code::kNotFound, "no such key"};
  if (status.IsCorruption()) return {Code::kDataLoss, status.ToString()};
  if (status.IsNoSpace()) return {Code::kResourceExhausted, status.ToString()};
  return {Code::kInternal, status.ToString()};
}

// A name of our own, because RocksDB has a class WriteBatch too.
class Batch final : public WriteBatch {
 public:
  void Put(std::string_view key, std::string_view value) override {
    Check(batch_.Put(ToSlice(key), ToSlice(value)));
  }
  void Delete(std::string_view key) override { Check(batch_.Delete(ToSlice(key))); }
  void Clear() override { batch_.Clear(); }
  size_t ByteSize() const override { return batch_.GetDataSize(); }
  rocksdb::WriteBatch* raw() { return &batch_; }

 private:
  // Filling a batch in memory fails only where a limit that we do not set is exceeded.
  static void Check(const rocksdb::Status& status) { ENSURE(status.ok(), "a batch takes changes"); }

  rocksdb::WriteBatch batch_;
};

class RocksSnapshot final : public Snapshot {
 public:
  explicit RocksSnapshot(rocksdb::DB* db) : db_(db), snapshot_(db->GetSnapshot()) {}
  ~RocksSnapshot() override { db_->ReleaseSnapshot(snapshot_); }
  const rocksdb::Snapshot* raw() const { return snapshot_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* snapshot_;
};

const rocksdb::Snapshot* Raw(const Snapshot* snapshot) {
  return snapshot == nullptr ? nullptr : static_cast<const RocksSnapshot*>(snapshot)->raw();
}

class RocksIterator final : public Iterator {
 public:
  RocksIterator(rocksdb::DB* db, const ReadOptions& options)
      : lower_(options.lower),
        upper_(options.upper),
        lower_slice_(ToSlice(lower_)),
        upper_slice_(ToSlice(upper_)) {
    rocksdb::ReadOptions raw;
    raw.snapshot = Raw(options.snapshot);
    if (!lower_.empty()) raw.iterate_lower_bound = &lower_slice_;
    if (!upper_.empty()) raw.iterate_upper_bound = &upper_slice_;
    raw.total_order_seek = !options.within_family;
    raw.prefix_same_as_start = options.within_family;
    iterator_.reset(db->NewIterator(raw));
  }

  void Seek(std::string_view key) override { iterator_->Seek(ToSlice(key)); }
  void SeekForPrev(std::string_view key) override { iterator_->SeekForPrev(ToSlice(key)); }
  void Next() override { iterator_->Next(); }
  void Prev() override { iterator_->Prev(); }
  bool Valid() const override { return iterator_->Valid(); }
  std::string_view key() const override { return iterator_->key().ToStringView(); }
  std::string_view value() const override { return iterator_->value().ToStringView(); }
  Status status() const override { return ToStatus(iterator_->status()); }

 private:
  // RocksDB keeps pointers to the bounds.
  const std::string lower_;
  const std::string upper_;
  const rocksdb::Slice lower_slice_;
  const rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

class RocksDbEngine final : public Engine {
 public:
  RocksDbEngine(std::unique_ptr<rocksdb::DB> db, const base::Clock& clock)
      : db_(std::move(db)), clock_(clock) {}

  Result<std::string> Get(std::string_view key, const Snapshot* snapshot) const override {
    rocksdb::ReadOptions options;
    options.snapshot = Raw(snapshot);
    std::string value;
    Status status = ToStatus(db_->Get(options, ToSlice(key), &value));
    if (!status.ok()) return status;
    return value;
  }

  Status GetMany(std::span<const std::string> keys, const Snapshot* snapshot,
                 Found found) const override {
    rocksdb::ReadOptions options;
    options.snapshot = Raw(snapshot);
    std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> statuses(keys.size());
    db_->MultiGet(options, db_->DefaultColumnFamily(), slices.size(), slices.data(), values.data(),
                  statuses.data(), /*sorted_input=*/true);
    for (size_t i = 0; i < keys.size(); ++i) {
      if (statuses[i].ok()) {
        found(i, values[i].ToStringView());
      } else if (!statuses[i].IsNotFound()) {
        return ToStatus(statuses[i]);
      }
    }
    return {};
  }

  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) const override {
    return std::make_unique<RocksIterator>(db_.get(), options);
  }

  std::unique_ptr<Snapshot> NewSnapshot() const override {
    return std::make_unique<RocksSnapshot>(db_.get());
  }

  std::unique_ptr<WriteBatch> NewBatch() const override { return std::make_unique<Batch>(); }

  Status Write(WriteBatch& batch, Durability durability) override {
    rocksdb::WriteOptions options;
    options.sync = durability == Durability::kSynced;
    const int64_t start_ns = clock_.MonotonicNs();
    Status status = ToStatus(db_->Write(options, static_cast<Batch&>(batch).raw()));
    const int64_t duration_ns = clock_.MonotonicNs() - start_ns;
    (options.sync ? synced_ : buffered_).Observe(duration_ns);
    if (options.sync) base::work_times::AddSynced(duration_ns);
    return status;
  }

  Status Checkpoint(const std::string& directory) override {
    rocksdb::Checkpoint* raw = nullptr;
    Status status = ToStatus(rocksdb::Checkpoint::Create(db_.get(), &raw));
    if (!status.ok()) return status;
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(raw);
    return ToStatus(checkpoint->CreateCheckpoint(directory));
  }

  Status CompactRange(std::string_view begin, std::string_view end) override {
    const rocksdb::Slice first = ToSlice(begin);
    const rocksdb::Slice last = ToSlice(end);
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    return ToStatus(db_->CompactRange(options, begin.empty() ? nullptr : &first,
                                      end.empty() ? nullptr : &last));
  }

  EngineStats Stats() const override {
    EngineStats stats;
    stats.disk_bytes = Number(rocksdb::DB::Properties::kTotalSstFilesSize) +
                       Number(rocksdb::DB::Properties::kCurSizeAllMemTables);
    stats.memory_bytes = Number(rocksdb::DB::Properties::kSizeAllMemTables) +
                         Number(rocksdb::DB::Properties::kBlockCacheUsage) +
                         Number(rocksdb::DB::Properties::kEstimateTableReadersMem);
    stats.live_bytes = Number(rocksdb::DB::Properties::kEstimateLiveDataSize) +
                       Number(rocksdb::DB::Properties::kCurSizeAllMemTables);
    stats.memtable_bytes = Number(rocksdb::DB::Properties::kSizeAllMemTables);
    stats.cache_bytes = Number(rocksdb::DB::Properties::kBlockCacheUsage);
    stats.pending_compaction_bytes =
        Number(rocksdb::DB::Properties::kEstimatePendingCompactionBytes);
    stats.running_compactions = Number(rocksdb::DB::Properties::kNumRunningCompactions);
    stats.write_stopped = Number(rocksdb::DB::Properties::kIsWriteStopped) != 0;
    return stats;
  }

  const base::Histogram* WriteTimes(Durability durability) const override {
    return durability == Durability::kSynced ? &synced_ : &buffered_;
  }

 private:
  uint64_t Number(const std::string& property) const {
    uint64_t value = 0;
    return db_->GetIntProperty(property, &value) ? value : 0;
  }

  std::unique_ptr<rocksdb::DB> db_;
  const base::Clock& clock_;
  base::Histogram synced_;
  base::Histogram buffered_;
};

Status OpenError(const std::string& directory, const rocksdb::Status& status) {
  // RocksDB has no code of its own for a lock that somebody else holds.
  if (status.IsIOError() && status.ToString().find("/LOCK") != std::string::npos) {
    return {Code::kFailedPrecondition,
            "the data directory " + directory + " is in use by another process"};
  }
  const Status translated = ToStatus(status);
  return {translated.code(),
          "cannot open the data directory " + directory + ": " + translated.message()};
}

// Opening writes what the log holds into tables. On a disk too full for that, RocksDB does not fail
// but abort.
Status CheckRoom(const std::string& directory) {
  constexpr uint64_t kLeastBytes = 1u << 20;
  uint64_t needed = kLeastBytes;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
    if (file.path().extension() == ".log") needed += WrittenBytes(file.path());
  }
  const auto space = std::filesystem::space(directory, error);
  if (error || space.available >= needed) return {};  // what is wrong here, opening will find
  return {Code::kResourceExhausted, "cannot open the data directory " + directory +
                                        ": No space left on device: " + std::to_string(needed) +
                                        " bytes are needed, and " +
                                        std::to_string(space.available) + " are free"};
}

}  // namespace

Result<std::unique_ptr<Engine>> OpenRocksDbEngine(const std::string& directory,
                                                  const RocksDbOptions& options) {
  if (Status full = CheckRoom(directory); !full.ok()) return full;
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(MakeRocksDbOptions(options), directory, &raw);
  if (!status.ok()) return OpenError(directory, status);
  return std::unique_ptr<Engine>(
      std::make_unique<RocksDbEngine>(std::unique_ptr<rocksdb::DB>(raw), *options.clock));
}

Status DiscardRocksDbEngine(const std::string& directory) {
  RETURN_IF_ERROR(CheckNotOpenElsewhere(directory));
  return ToStatus(rocksdb::DestroyDB(directory, MakeRocksDbOptions({})));
}

// RocksDB holds a lock of fcntl(2) on this file for as long as it is open.
Status CheckNotOpenElsewhere(const std::string& directory) {
  const int file = open((directory + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool asked = fcntl(file, F_GETLK, &lock) == 0;
  close(file);
  if (!asked || lock.l_type == F_UNLCK) return {};
  return {Code::kFailedPrecondition,
          directory + " is in use by process " + std::to_string(lock.l_pid)};
}

}  // namespace matricula::storage
