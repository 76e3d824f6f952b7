#pragma once

#include <cstdint>

#include "common/base/status.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// The checksum that etcd's HashKV gives for the same history, up to `revision`, on a store
// compacted at `compacted_revision`: CRC-32C over "key", and over the revision and the stored pair
// of each change, in their order. Of what is compacted, only what exists at `revision` counts.
// Reads every row: seconds per million.
base::Result<uint32_t> HashKv(const storage::Engine& engine, const storage::Snapshot& snapshot,
                              int64_t revision, int64_t compacted_revision);

}  // namespace matricula::kv
