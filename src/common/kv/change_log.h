#pragma once

#include <memory>
#include <string>

#include "common/kv/rows.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// Walks the changes that the engine holds, in the order they happened.
class ChangeWalk {
 public:
  // From the row that begins at `from` or later, through the transaction `through`.
  ChangeWalk(const storage::Engine& engine, const storage::Snapshot* snapshot, Revision from,
             int64_t through);

  // Moves to the next change, the first at first. False at the end, or with trouble: see status().
  bool Next();
  const Change& change() const { return change_; }
  // Whether the next change, if any, stands in another row; and where this row begins.
  bool at_end_of_row() const { return rest_.empty(); }
  Revision row() const { return row_; }
  const base::Status& status() const { return status_; }

 private:
  bool TakeRow();

  std::unique_ptr<storage::Iterator> rows_;
  bool started_ = false;
  Revision row_;
  std::string_view rest_;  // of the row
  Change change_;
  base::Status status_;
};

// Writes the changes of one transaction as rows.
class ChangeWriter {
 public:
  void Add(storage::WriteBatch& batch, const Change& change);
  // The transaction is whole.
  void Finish(storage::WriteBatch& batch);

 private:
  Revision first_;
  std::string bytes_;
};

}  // namespace matricula::kv
