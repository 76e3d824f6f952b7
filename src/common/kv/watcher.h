#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/kv/key_range.h"
#include "common/kv/watch.h"

namespace matricula::kv {

// One watch, inside the hub. What the hub's mutex guards and what belongs to the delivering thread
// alone is told apart below.
struct Watcher {
  Watcher(uint64_t number, const etcdserverpb::WatchCreateRequest& request, WatchSink* where);

  KeyRange range() const { return {key, range_end}; }
  bool Wants(std::string_view changed_key, bool is_deletion) const {
    return !(is_deletion ? no_deletions : no_puts) && range().Contains(changed_key);
  }

  const uint64_t id;
  std::string key;
  std::string range_end;
  bool no_puts = false;
  bool no_deletions = false;
  bool with_previous = false;
  bool notify_progress = false;
  WatchSink* const sink;

  // ---- guarded by the hub's mutex ----
  bool closed = false;           // the sink must not be called any more
  bool paused = false;           // the sink has enough for now
  bool resumed = false;          // Resume() came since the sink was last called
  bool progress_wanted = false;  // asked for by RequestProgress()

  // ---- of the delivering thread ----
  bool gone = false;             // closed, and known to be
  bool live = false;             // gets changes as they happen, from the index
  int64_t created_revision = 0;  // the store's, when the watch was opened
  int64_t next_revision = 0;     // everything below has been delivered or is not wanted
  int64_t last_response_ns = 0;  // when the sink was last told something
};

using WatcherPtr = std::shared_ptr<Watcher>;

}  // namespace matricula::kv
