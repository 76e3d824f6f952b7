#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/status.h"
#include "common/raft/message.h"
#include "common/replication/ports.h"
#include "common/storage/engine.h"

namespace matricula::replication {

// Snapshots of a state machine that lives in a storage engine: its rows, one after the other
// (snapshot_format.h). A state machine owns one of these and passes the snapshot calls of its port
// on.
//
// What belongs to the node and not to the state stays behind: the whole table 'r', where the log
// and the staged bytes are, and the rows named in `local_rows`.
//
// Installing is no one batch, because a batch that large would not fit into memory. A marker,
// written durably before the first row is touched, says what is under way; Open finds it after a
// crash and starts again from the staged bytes, which are there until the marker is gone.
//
//   "rs" number:8   staged bytes, chunk by chunk: u32 CRC-32C, bytes
//   "ri"            the marker: EncodeMeta of what is being installed
class EngineSnapshots {
 public:
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
  base::Status InstallStaged(const raft::SnapshotMeta& meta);

 private:
  EngineSnapshots(storage::Engine& engine, std::vector<std::string> local_rows);

  base::Status ReplaceRows();

  storage::Engine& engine_;
  const std::vector<std::string> local_rows_;  // sorted
  uint64_t staged_bytes_ = 0;
  uint64_t staged_chunks_ = 0;
};

}  // namespace matricula::replication
