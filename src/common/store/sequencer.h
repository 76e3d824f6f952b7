#pragma once

#include <absl/functional/any_invocable.h>

#include "common/base/status.h"
#include "common/kv/outcome.h"

namespace matricula::store {

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

  // Finishes what waits, as far as possible, and refuses what comes.
  virtual void Stop() = 0;
};

}  // namespace matricula::store
