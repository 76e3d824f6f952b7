#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "common/replication/log_format.h"
#include "common/replication/ports.h"
#include "common/storage/engine.h"

namespace matricula::replication {

// The raft log in a storage engine, in table 'r' (log_format.h says how, to the byte).
//
// Every write is one synced batch that ends with the log's description: hard state, first and last
// entry. So the description never promises an entry that is not there, and what recovery finds
// beyond the last entry it names was never acknowledged to anybody.
//
// The first index is remembered, and no walk ever begins before it: what compaction deleted lies
// there, and stepping over it costs an engine more than all the rest. For the same reason entries
// are deleted one by one and in bounded batches, never as a range.
class EngineLogStore final : public LogStore {
 public:
  // What recovery found.
  struct Recovery {
    uint64_t entries = 0;
    uint64_t torn = 0;  // entries beyond the end, cut off
  };

  // Reads and checks the whole log. An unfinished write at the end is cut off. DataLoss, with a
  // sentence about what and where: something that was synced is missing or damaged; this node must
  // not take part any more, because it may have promised what it no longer knows.
  // The engine must outlive the log.
  static base::Result<std::unique_ptr<EngineLogStore>> Open(storage::Engine& engine);

  const Recovery& recovery() const { return recovery_; }

  raft::Index FirstIndex() const override { return description_.first; }
  raft::Index LastIndex() const override { return description_.last; }
  std::optional<raft::Term> TermAt(raft::Index index) const override;
  std::vector<raft::Entry> Read(raft::Index from, raft::Index to, size_t max_bytes) const override;

  raft::HardState hard_state() const override { return description_.hard_state; }
  base::Result<uint64_t> NewIncarnation() override;
  base::Status Write(const std::optional<raft::HardState>& hard_state,
                     std::span<const raft::Entry> entries) override;
  base::Status Reset(raft::Index index, raft::Term term,
                     const std::optional<raft::HardState>& hard_state,
                     std::span<const raft::Entry> entries) override;
  base::Status Compact(raft::Index first) override;
  uint64_t Bytes() const override { return bytes_; }
  base::Status ReadStatus() const override { return read_status_; }

 private:
  // What is kept in memory of each entry: 16 bytes, so that terms and sizes cost no read.
  struct Slot {
    raft::Term term;
    uint32_t checksum;
    uint32_t cost;
  };

  explicit EngineLogStore(storage::Engine& engine) : engine_(engine) {}

  base::Status Recover();
  base::Status CutTornTail();
  // These change what is known in memory, and put the same change into the batch.
  void TruncateFrom(storage::WriteBatch& batch, raft::Index from);
  void Append(storage::WriteBatch& batch, std::span<const raft::Entry> entries);
  base::Status Commit(storage::WriteBatch& batch, const std::optional<raft::HardState>& hard_state,
                      bool describes = true);

  storage::Engine& engine_;
  LogDescription description_;
  std::deque<Slot> slots_;
  uint64_t bytes_ = 0;
  Recovery recovery_;
  mutable base::Status read_status_;
};

}  // namespace matricula::replication
