#pragma once

#include <string>

#include "common/domain/domain.h"
#include "common/sync/bus_event.h"

namespace matricula::sync {

// What became of a stranger's wish.
struct Verdict {
  enum class Kind {
    kApplied,
    kUnchanged,  // an update to what is there already: nothing was written
    kRefused,    // by the rules of the domain
    kFailed,     // the store could not be reached, or its answer was lost
  };
  Kind kind = Kind::kApplied;
  std::string reason;  // of a refusal or a failure
};

// Applies one event to the domain and blocks until that is done. Updates that change nothing are
// not written: two systems that tell each other what they hear would never come to rest.
Verdict ApplyForeign(domain::Domain& domain, const BusEvent& event);

}  // namespace matricula::sync
