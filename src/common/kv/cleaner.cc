#include "common/kv/cleaner.h"

#include "common/kv/change_log.h"
#include "common/kv/engine_view.h"

namespace matricula::kv {
namespace {

using base::Status;

// The tombstone is its key's newest version, or an older one if the key was put again.
Status DeleteTombstone(const storage::Engine& engine, const Change& change,
                       storage::WriteBatch& batch) {
  const std::string row = KeyRow(change.key);
  const auto newest = engine.Get(row, nullptr);
  if (!newest.ok() && newest.status().code() != base::Code::kNotFound) return newest.status();
  Version version;
  if (newest.ok() && !ParseVersion(*newest, version)) return DamagedRow("keys");
  if (newest.ok() && version.mod == change.revision) {
    batch.Delete(row);
  } else {
    batch.Delete(VersionRow(change.key, change.revision));
  }
  return {};
}

Status CleanUpAfter(const storage::Engine& engine, const Change& change, int64_t compacted_revision,
                    storage::WriteBatch& batch) {
  if (change.replaces && change.replaces->main < compacted_revision) {
    batch.Delete(VersionRow(change.key, *change.replaces));
  }
  const bool is_old_tombstone = change.tombstone && change.revision.main < compacted_revision;
  return is_old_tombstone ? DeleteTombstone(engine, change, batch) : Status();
}

}  // namespace

Status Cleaner::Step(Compaction& compaction, int max_changes) {
  const auto batch = engine_.NewBatch();
  ChangeWalk walk(engine_, nullptr, compaction.cleaned, compaction.revision);
  int seen = 0;
  bool finished = true;
  while (walk.Next()) {
    RETURN_IF_ERROR(CleanUpAfter(engine_, walk.change(), compaction.revision, *batch));
    ++seen;
    if (!walk.at_end_of_row()) continue;
    if (walk.row().main < compaction.revision) batch->Delete(ChangeRow(walk.row()));
    compaction.cleaned = {walk.row().main, walk.row().sub + 1};
    if (seen < max_changes) continue;
    finished = false;
    break;
  }
  RETURN_IF_ERROR(walk.status());
  if (finished) {
    compaction.finished = true;
    compaction.cleaned = {compaction.revision, 0};
  }
  batch->Put(kCompactionRow, EncodeCompaction(compaction));
  return engine_.Write(*batch, storage::Durability::kBuffered);
}

}  // namespace matricula::kv
