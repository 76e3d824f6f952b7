#include "common/kv/change_log.h"

#include "common/kv/engine_view.h"

namespace matricula::kv {

ChangeWalk::ChangeWalk(const storage::Engine& engine, const storage::Snapshot* snapshot,
                       Revision from, int64_t through) {
  storage::ReadOptions options;
  options.snapshot = snapshot;
  options.lower = ChangeRow(from);
  options.upper = ChangeRow({through + 1, 0});
  rows_ = engine.NewIterator(options);
  rows_->Seek(options.lower);
}

bool ChangeWalk::Next() {
  if (!status_.ok()) return false;
  if (rest_.empty()) {
    if (started_) rows_->Next();
    started_ = true;
    if (!TakeRow()) return false;
  } else {
    ++change_.revision.sub;
  }
  if (TakeChange(rest_, change_)) return true;
  status_ = DamagedRow("changes");
  return false;
}

bool ChangeWalk::TakeRow() {
  if (!rows_->Valid()) {
    status_ = rows_->status();
    return false;
  }
  if (!ParseChangeRow(rows_->key(), row_)) {
    status_ = DamagedRow("changes");
    return false;
  }
  change_.revision = row_;
  rest_ = rows_->value();
  return true;
}

void ChangeWriter::Add(storage::WriteBatch& batch, const Change& change) {
  if (bytes_.empty()) first_ = change.revision;
  AppendChange(bytes_, change);
  if (bytes_.size() > kChangeRowBytes) Finish(batch);
}

void ChangeWriter::Finish(storage::WriteBatch& batch) {
  if (bytes_.empty()) return;
  batch.Put(ChangeRow(first_), bytes_);
  bytes_.clear();
}

}  // namespace matricula::kv
