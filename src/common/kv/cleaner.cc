#include "common/kv/cleaner.h"

#include "common/kv/engine_view.h"

namespace matricula::kv {
namespace {

using base::Status;

void DeleteVersion(storage::WriteBatch& batch, std::string_view key, Revision revision) {
  batch.Delete(DataRow(key, revision));
  batch.Delete(ChangeRow(revision));
}

void CleanUpAfter(const Change& change, int64_t compacted_revision, storage::WriteBatch& batch) {
  if (change.replaces && change.replaces->main < compacted_revision) {
    DeleteVersion(batch, change.key, *change.replaces);
  }
  if (change.tombstone && change.revision.main < compacted_revision) {
    DeleteVersion(batch, change.key, change.revision);
  }
}

}  // namespace

Status Cleaner::Step(Compaction& compaction, int max_changes) {
  const auto batch = engine_.NewBatch();
  storage::ReadOptions options;
  options.lower = ChangeRow(compaction.cleaned);
  options.upper = ChangeRow({compaction.revision + 1, 0});
  const auto rows = engine_.NewIterator(options);
  rows->Seek(options.lower);
  for (int seen = 0; rows->Valid() && seen < max_changes; ++seen, rows->Next()) {
    Change change;
    if (!ParseChangeRow(rows->key(), change.revision) || !ParseChange(rows->value(), change)) {
      return DamagedRow("changes");
    }
    CleanUpAfter(change, compaction.revision, *batch);
    compaction.cleaned = {change.revision.main, change.revision.sub + 1};
  }
  RETURN_IF_ERROR(rows->status());
  if (!rows->Valid()) {
    compaction.finished = true;
    compaction.cleaned = {compaction.revision, 0};
  }
  batch->Put(kCompactionRow, EncodeCompaction(compaction));
  return engine_.Write(*batch, storage::Durability::kBuffered);
}

}  // namespace matricula::kv
