#pragma once

#include <rocksdb/options.h>

#include "common/storage/rocksdb_engine.h"

namespace matricula::storage {

// How we run RocksDB, with the reasons.
rocksdb::Options MakeRocksDbOptions(const RocksDbOptions& options);

}  // namespace matricula::storage
