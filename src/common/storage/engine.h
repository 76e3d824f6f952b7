#pragma once

#include <absl/functional/function_ref.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/base/histogram.h"
#include "common/base/status.h"

// An ordered key-value engine on one disk: the only thing that the store and the raft log know of
// RocksDB. Keys are bytes in lexicographic order. Whoever shares an engine keeps to tables of its
// own, told apart by the first byte of the key.
namespace matricula::storage {

// Two tables have filters, so that looking for what does not exist costs almost nothing: in the
// one, a filter knows every key; in the other, it knows families of keys, a family being
// everything up to and including the key's first 00 01 pair (the whole key where there is none).
inline constexpr char kFilteredTable = 'k';
inline constexpr char kFamilyTable = 'v';

// What a filter knows of a key, a prefix of it; empty for keys of other tables.
std::string_view FilteredPart(std::string_view key);

// A set of changes that becomes durable as a whole or not at all, in the order of the calls.
class WriteBatch {
 public:
  virtual ~WriteBatch() = default;
  virtual void Put(std::string_view key, std::string_view value) = 0;
  virtual void Delete(std::string_view key) = 0;
  virtual void Clear() = 0;
  // Payload so far, in bytes; what limits of batches are measured with.
  virtual size_t ByteSize() const = 0;
};

// The engine as it was at one moment. Must be destroyed before the engine.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
};

// Walks keys in [lower, upper) of its bounds. After every move: look at Valid(), and when it is
// false at status(), because an I/O error ends a walk too.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual void Seek(std::string_view key) = 0;         // first key >= key
  virtual void SeekForPrev(std::string_view key) = 0;  // last key <= key
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual bool Valid() const = 0;
  // Views stay valid until the next move.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  virtual base::Status status() const = 0;
};

struct ReadOptions {
  const Snapshot* snapshot = nullptr;  // nullptr: the newest state
  std::string lower = {};              // empty: no bound
  std::string upper = {};              // exclusive; empty: no bound
  // Every Seek sees the family of the sought key alone; the walk is over where the family ends.
  // Only Seek and Next may be used, and only with keys of kFamilyTable.
  bool within_family = false;
};

enum class Durability {
  kSynced,    // on disk when Write returns
  kBuffered,  // ordered, but a power failure may lose it and all that was written after it
};

struct EngineStats {
  uint64_t disk_bytes = 0;    // files on disk, the log of unflushed changes included
  uint64_t memory_bytes = 0;  // memtables, caches and table readers
  uint64_t live_bytes = 0;    // of what is on disk, what is not deleted or overwritten; estimated
  uint64_t memtable_bytes = 0;
  uint64_t cache_bytes = 0;
  uint64_t pending_compaction_bytes = 0;  // to be rewritten before the tables are in shape
  uint64_t running_compactions = 0;
  bool write_stopped = false;  // writers wait for compactions
};

// All methods may be called from any thread; one writer at a time is fastest.
class Engine {
 public:
  virtual ~Engine() = default;

  // NotFound where there is no such key.
  virtual base::Result<std::string> Get(std::string_view key, const Snapshot* snapshot) const = 0;
  // Calls `found` for every one of `keys`, which must be in order, that exists; far cheaper than
  // one by one. The view ends with the call.
  using Found = absl::FunctionRef<void(size_t number, std::string_view value)>;
  virtual base::Status GetMany(std::span<const std::string> keys, const Snapshot* snapshot,
                               Found found) const;
  virtual std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) const = 0;
  virtual std::unique_ptr<Snapshot> NewSnapshot() const = 0;

  virtual std::unique_ptr<WriteBatch> NewBatch() const = 0;
  // After an error the outcome is indeterminate: the batch may be found after a reopening. The
  // caller must acknowledge nothing more and end the process.
  virtual base::Status Write(WriteBatch& batch, Durability durability) = 0;

  // A consistent copy in `directory` (which must not exist), made without stopping writers.
  virtual base::Status Checkpoint(const std::string& directory) = 0;
  // Gives the space of deleted keys in [begin, end) back to the disk; slow, in the caller's thread.
  virtual base::Status CompactRange(std::string_view begin, std::string_view end) = 0;
  virtual EngineStats Stats() const = 0;
  // How long calls of Write took; nullptr: this engine does not measure.
  virtual const base::Histogram* WriteTimes(Durability) const { return nullptr; }
};

}  // namespace matricula::storage
