#pragma once

#include <cstdint>

#include "common/kv/outcome.h"

namespace matricula::store {

// Changes that take longer are logged with their parts, one a second at most; 0, the default: none.
// To be set before there is a store.
void SetSlowRequestMs(int64_t slow_ms);

// A change that was asked for at `start_ns` is done; on the sequencer's thread. Its time was spent
// waiting for that thread (queue), on the thread's work (sync, apply), and on the way to the other
// replicas and back (raft).
void NoteRequest(kv::Command::RequestCase kind, int64_t start_ns);

}  // namespace matricula::store
