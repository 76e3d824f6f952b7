#pragma once

#include <cstddef>

#include "common/kv/rows.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// Changes that one step of cleaning looks at, about: a millisecond or two of work.
inline constexpr int kChangesPerCleaning = 512;

// Deletes, for a compaction, what no permitted read can see: of each key, all versions before the
// newest one at or below the compaction's revision, and that one too if it is a tombstone; and
// the record of the changes. What stands at the compaction's own revision stays whole for
// watches, until the next one.
//
// Changes are gone through in the order they happened, from where the last step ended; each names
// the version that it replaced, so that nothing is searched for. A key never reappears in
// between, because its older versions go first.
class Cleaner {
 public:
  explicit Cleaner(storage::Engine& engine) : engine_(engine) {}

  // One step, written as one batch with how far it came; advances `compaction`. Call until
  // `compaction.finished`.
  base::Status Step(Compaction& compaction, int max_changes = kChangesPerCleaning);

 private:
  storage::Engine& engine_;
};

}  // namespace matricula::kv
