#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/domain/task.h"
#include "common/domain/timer.h"
#include "common/store/store.h"

namespace matricula::domain {

// Where in the history of `mudanca` a writer is looked for.
struct HistoryRange {
  int64_t after = 0;  // revisions up to this one cannot be the writer's
  int64_t upto = 0;   // a revision at which `mudanca` was put; the search ends there
};

// The revision at which the writer `token` put `mudanca`, or nothing if it did not in that range.
// Errors: OutOfRange (the history has been compacted), DeadlineExceeded (at `deadline_ms` of the
// clock's monotonic time). The store, timer and clock must outlive the search.
Task<base::Result<std::optional<int64_t>>> FindWriter(store::Store& store, Timer& timer,
                                                      const base::Clock& clock, std::string token,
                                                      HistoryRange range, int64_t deadline_ms);

}  // namespace matricula::domain
