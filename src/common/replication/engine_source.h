#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/replication/ports.h"
#include "common/storage/engine.h"

namespace matricula::replication {

// An engine's rows as a snapshot's bytes (snapshot_format.h). Nothing is copied: the engine keeps
// the rows as they were, and every Read encodes the part that is asked for again.
class EngineSource final : public SnapshotSource {
 public:
  // The engine's rows must be those of `meta` now. Both references outlive the source.
  EngineSource(const storage::Engine& engine, const std::vector<std::string>& local_rows,
               raft::SnapshotMeta meta);

  const raft::SnapshotMeta& meta() const override { return meta_; }
  base::Status Prepare() override;
  uint64_t TotalBytes() const override { return rows_end_ + trailer_.size(); }
  base::Result<std::string> Read(uint64_t offset, size_t size_bytes) override;

 private:
  // Where a row begins that a Read may start from.
  struct Mark {
    uint64_t offset;
    std::string key;
  };

  const storage::Engine& engine_;
  const std::vector<std::string>& local_rows_;
  const raft::SnapshotMeta meta_;
  const std::unique_ptr<storage::Snapshot> pinned_;
  const std::string header_;
  std::vector<Mark> marks_;  // by offset
  uint64_t rows_end_ = 0;
  std::string trailer_;
};

}  // namespace matricula::replication
