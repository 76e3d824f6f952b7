#pragma once

#include <absl/functional/any_invocable.h>

#include "common/base/status.h"
#include "common/kv/outcome.h"

namespace matricula::store {

struct SequencerStats {
  uint64_t proposed = 0;
  uint64_t failed = 0;  // not carried out, as far as this replica knows; not the same as refused
  uint64_t pending = 0;
  // Of a replica among others.
  uint64_t leader_changes = 0;
  uint64_t elections = 0;  // in which this replica stood
};

// Brings commands into the one order in which all replicas apply them, and tells how each ended.
class Sequencer {
 public:
  // Called exactly once, on the applying thread or before Propose() returns. Must not block.
  using Completion = absl::AnyInvocable<void(kv::Outcome) &&>;

  virtual ~Sequencer() = default;

  // The command must have been checked (kv/check.h). Outcomes besides the command's own:
  // ResourceExhausted (too much is waiting) and Unavailable (stopped), both without effect, and
  // OutcomeUnknown.
  virtual void Propose(kv::Command command, Completion completion) = 0;

  virtual SequencerStats stats() const = 0;

  // Finishes what waits, as far as possible, and refuses what comes.
  virtual void Stop() = 0;
};

}  // namespace matricula::store
