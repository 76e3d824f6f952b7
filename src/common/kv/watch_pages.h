#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/kv/engine_view.h"
#include "common/kv/rows.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// A piece of the past, read from the change index: the changes of whole revisions, whose contents
// are loaded when a watch wants them.
class ChangePage {
 public:
  // Changes per page; the last revision is taken whole.
  static constexpr size_t kMaxChanges = 1024;

  // Reads the changes from revision `from` on, up to `through` at most. They are all there if
  // `from` is not below the compacted revision found *after* `snapshot` was taken.
  static base::Result<ChangePage> Read(const storage::Engine& engine,
                                       const storage::Snapshot& snapshot, int64_t from,
                                       int64_t through);

  struct Entry {
    Revision revision;
    bool tombstone = false;
    std::string key;
  };

  const std::vector<Entry>& entries() const { return entries_; }
  // Every change up to here has been seen.
  int64_t last_revision() const { return last_revision_; }

  // Fills an event; `with_previous`: and what was there before the transaction, unless that is
  // compacted away, or the key began a new life.
  base::Status Load(const Entry& entry, bool with_previous, int64_t compacted_revision,
                    mvccpb::Event& event) const;

 private:
  ChangePage(const storage::Engine& engine, const storage::Snapshot& snapshot)
      : engine_(&engine), snapshot_(&snapshot) {}

  base::Status ReadEntries(int64_t from, int64_t through);

  const storage::Engine* engine_;
  const storage::Snapshot* snapshot_;
  std::vector<Entry> entries_;
  int64_t last_revision_ = 0;
};

}  // namespace matricula::kv
