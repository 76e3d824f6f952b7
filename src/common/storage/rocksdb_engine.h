#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/storage/engine.h"

namespace matricula::storage {

struct RocksDbOptions {
  // Blocks read from disk, with the indexes and filters of the tables. Too small: every read goes
  // to the disk.
  size_t block_cache_bytes = 128u << 20;
  // Changes held in memory until they become a table; at most kMemtables of these exist at once.
  // Larger means fewer tables, and a longer replay after a crash.
  size_t memtable_bytes = 32u << 20;
  // Tables kept open. Each takes a descriptor and some memory for its reader.
  int max_open_tables = 256;
  const base::Clock* clock = &base::SystemClock();  // for measuring alone
};

// Opens, or creates, the engine in `directory` (whose parent must exist). FailedPrecondition:
// another process, or another engine of this one, has it open. DataLoss: it is damaged.
base::Result<std::unique_ptr<Engine>> OpenRocksDbEngine(const std::string& directory,
                                                        const RocksDbOptions& options = {});

// Removes the engine in `directory`, damaged or not; OK if there is none. FailedPrecondition:
// somebody has it open.
base::Status DiscardRocksDbEngine(const std::string& directory);
// FailedPrecondition: another process has the engine in `directory` open.
base::Status CheckNotOpenElsewhere(const std::string& directory);

}  // namespace matricula::storage
