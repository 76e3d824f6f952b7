#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/raft/message.h"
#include "common/replication/ports.h"
#include "common/storage/engine.h"

namespace matricula::replication {

// Snapshots of a state machine that lives in a storage engine: its rows, one after the other. A
// state machine owns one of these and passes the snapshot calls of its port on.
//
// What belongs to the node and not to the state stays behind: the whole table 'r', where the log
// and the staged bytes are, and the rows named in `local_rows`.
//
// The bytes, numbers little-endian:
//   header   "MATSNAP1", u32 size and bytes of EncodeMeta(meta)
//   row      u32 key size (> 0), u32 value size, key, value; as often as there are rows, sorted
//   trailer  u32 0, u64 number of rows, u32 CRC-32C of all before
//
// Installing is no one batch, because a batch that large would not fit into memory. A marker,
// written durably before the first row is touched, says what is under way; Open finds it after a
// crash and starts again from the staged bytes, which are there until the marker is gone.
class EngineSnapshots {
 public:
  static constexpr char kTable = 'r';

  // Finishes an installation that a crash interrupted, so it comes before anybody reads the state.
  // The engine must outlive the object.
  static base::Result<std::unique_ptr<EngineSnapshots>> Open(storage::Engine& engine,
                                                             std::vector<std::string> local_rows);

  // As in StateMachine. The engine's rows must be those of `meta` now.
  std::unique_ptr<SnapshotSource> Pin(const raft::SnapshotMeta& meta);
  base::Status Stage(uint64_t offset, std::string_view bytes);
  base::Status DiscardStaged();
  base::Status CheckStaged(const raft::SnapshotMeta& meta);
  // Afterwards the engine's rows are those of the snapshot; what the state machine has in memory
  // it must read again.
  base::Status InstallStaged();

 private:
  EngineSnapshots(storage::Engine& engine, std::vector<std::string> local_rows)
      : engine_(engine), local_rows_(std::move(local_rows)) {}

  storage::Engine& engine_;
  const std::vector<std::string> local_rows_;  // sorted
  uint64_t staged_bytes_ = 0;
  uint64_t staged_chunks_ = 0;
};

}  // namespace matricula::replication
