#include "common/replication/engine_snapshot.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/base/crc32c.h"
#include "common/base/ensure.h"
#include "common/replication/coding.h"
#include "common/replication/engine_source.h"
#include "common/replication/meta.h"
#include "common/replication/mutant.h"
#include "common/replication/snapshot_format.h"

namespace matricula::replication {
namespace {

using base::Code;
using base::Result;
using base::Status;
using storage::Durability;

constexpr std::string_view kStagedPrefix = "rs";
constexpr std::string_view kStagedEnd = "rt";
constexpr std::string_view kMarkerKey = "ri";
constexpr size_t kBatchBytes = size_t{1} << 20;

std::string StagedKey(uint64_t number) {
  std::string key(kStagedPrefix);
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(number >> shift & 0xff));
  }
  return key;
}

storage::ReadOptions StagedRange() {
  storage::ReadOptions options;
  options.lower = kStagedPrefix;
  options.upper = kStagedEnd;
  return options;
}

// The staged chunks, one after the other.
class StagedStream final : public ByteStream {
 public:
  explicit StagedStream(const storage::Engine& engine) : walk_(engine.NewIterator(StagedRange())) {
    walk_->Seek(kStagedPrefix);
  }

  Status Fill(std::string& buffer) override {
    if (!walk_->Valid()) return walk_->status();
    std::string_view value = walk_->value();
    uint32_t checksum = 0;
    if (walk_->key() != StagedKey(next_++) || !TakeLittleEndian(value, checksum) ||
        (checksum != base::Crc32c(0, value) && !MutantIs(67))) {
      return {Code::kDataLoss, "a staged piece of a snapshot is missing or damaged"};
    }
    buffer += value;
    walk_->Next();
    return {};
  }

 private:
  std::unique_ptr<storage::Iterator> walk_;
  uint64_t next_ = 0;
};

// Writes what it is given in batches that fit into memory.
class Writer {
 public:
  explicit Writer(storage::Engine& engine) : engine_(engine), batch_(engine.NewBatch()) {}

  storage::WriteBatch& batch() { return *batch_; }
  Status FlushIfLarge() { return batch_->ByteSize() < kBatchBytes ? Status() : Flush(); }
  Status Flush(Durability durability = Durability::kBuffered) {
    RETURN_IF_ERROR(engine_.Write(*batch_, durability));
    batch_->Clear();
    return {};
  }

 private:
  storage::Engine& engine_;
  std::unique_ptr<storage::WriteBatch> batch_;
};

}  // namespace

EngineSnapshots::EngineSnapshots(storage::Engine& engine, std::vector<std::string> local_rows)
    : engine_(engine), local_rows_([&] {
        std::sort(local_rows.begin(), local_rows.end());
        return std::move(local_rows);
      }()) {}

Result<std::unique_ptr<EngineSnapshots>> EngineSnapshots::Open(
    storage::Engine& engine, std::vector<std::string> local_rows) {
  std::unique_ptr<EngineSnapshots> snapshots(new EngineSnapshots(engine, std::move(local_rows)));
  const Result<std::string> marker = engine.Get(kMarkerKey, nullptr);
  if (marker.ok() && !MutantIs(64)) {
    const Result<raft::SnapshotMeta> meta = DecodeMeta(*marker);
    if (!meta.ok()) return meta.status();
    RETURN_IF_ERROR(snapshots->CheckStaged(*meta));
    RETURN_IF_ERROR(snapshots->ReplaceRows());
  } else if (!marker.ok() && marker.status().code() != Code::kNotFound) {
    return marker.status();
  }
  RETURN_IF_ERROR(snapshots->DiscardStaged());
  return snapshots;
}

std::unique_ptr<SnapshotSource> EngineSnapshots::Pin(const raft::SnapshotMeta& meta) {
  return std::make_unique<EngineSource>(engine_, local_rows_, meta);
}

Status EngineSnapshots::Stage(uint64_t offset, std::string_view bytes) {
  if (offset == 0) RETURN_IF_ERROR(DiscardStaged());
  ENSURE(offset == staged_bytes_, "a snapshot is staged in order");
  std::string value;
  AppendLittleEndian(value, base::Crc32c(0, bytes));
  value += bytes;
  const auto batch = engine_.NewBatch();
  batch->Put(StagedKey(staged_chunks_++), value);
  staged_bytes_ += bytes.size();
  return engine_.Write(*batch, Durability::kBuffered);
}

Status EngineSnapshots::DiscardStaged() {
  staged_bytes_ = 0;
  staged_chunks_ = 0;
  const auto walk = engine_.NewIterator(StagedRange());
  Writer writer(engine_);
  for (walk->Seek(kStagedPrefix); walk->Valid(); walk->Next()) {
    writer.batch().Delete(walk->key());
    RETURN_IF_ERROR(writer.FlushIfLarge());
  }
  RETURN_IF_ERROR(walk->status());
  return writer.batch().ByteSize() == 0 ? Status() : writer.Flush();
}

Status EngineSnapshots::CheckStaged(const raft::SnapshotMeta& meta) {
  StagedStream stream(engine_);
  SnapshotParser parser(stream);
  const Result<raft::SnapshotMeta> said = parser.ReadHeader();
  if (!said.ok()) return said.status();
  if (*said != meta) return {Code::kDataLoss, "the snapshot is not the one that was announced"};
  while (true) {
    const Result<bool> row = parser.ReadRow();
    if (!row.ok()) return row.status();
    if (!*row) return {};
  }
}

Status EngineSnapshots::InstallStaged(const raft::SnapshotMeta& meta) {
  const auto batch = engine_.NewBatch();
  batch->Put(kMarkerKey, EncodeMeta(meta));
  RETURN_IF_ERROR(engine_.Write(*batch, Durability::kSynced));
  RETURN_IF_ERROR(ReplaceRows());
  return DiscardStaged();
}

Status EngineSnapshots::ReplaceRows() {
  Writer writer(engine_);
  StateWalk old_rows(engine_, nullptr, local_rows_);
  for (old_rows.Seek({}); old_rows.Valid(); old_rows.Next()) {
    writer.batch().Delete(old_rows.key());
    RETURN_IF_ERROR(writer.FlushIfLarge());
  }
  RETURN_IF_ERROR(old_rows.status());

  StagedStream stream(engine_);
  SnapshotParser parser(stream);
  const Result<raft::SnapshotMeta> meta = parser.ReadHeader();
  if (!meta.ok()) return meta.status();
  while (true) {
    const Result<bool> row = parser.ReadRow();
    if (!row.ok()) return row.status();
    if (!*row) break;
    writer.batch().Put(parser.key(), parser.value());
    RETURN_IF_ERROR(writer.FlushIfLarge());
  }
  writer.batch().Delete(kMarkerKey);
  return writer.Flush(Durability::kSynced);
}

}  // namespace matricula::replication
