#pragma once

#include <optional>
#include <vector>

#include "common/raft/types.h"

namespace matricula::raft {

// What the core may read of the durable log: entries that an Output told the driver to write and
// that Persisted reported. The core asks only for what it no longer keeps in memory.
//
// A read that fails is the driver's to notice: it stops the process, or the simulated node, before
// it carries out another Output. To the core such a read looks like an entry that is not there.
class LogView {
 public:
  virtual ~LogView() = default;

  // The first entry that the log still has; LastIndex() + 1 if it has none. 1 for a new log.
  virtual Index FirstIndex() const = 0;
  // FirstIndex() - 1 if the log has no entry.
  virtual Index LastIndex() const = 0;
  // Known for FirstIndex() - 1 (of the compacted entry or the snapshot; term 0 for index 0) up to
  // LastIndex().
  virtual std::optional<Term> TermAt(Index index) const = 0;
  // Entries from `from` on, up to and including `to`, and no more than `max_bytes` by
  // Entry::Cost(), but at least one. Empty only if the first cannot be read.
  virtual std::vector<Entry> Read(Index from, Index to, size_t max_bytes) const = 0;
};

}  // namespace matricula::raft
