#include "common/replication/engine_source.h"

#include <algorithm>
#include <utility>

#include "common/base/crc32c.h"
#include "common/base/ensure.h"
#include "common/replication/mutant.h"
#include "common/replication/snapshot_format.h"

namespace matricula::replication {
namespace {

// Between two marks: what a Read encodes in vain at most, against what the marks cost in memory.
constexpr uint64_t kMarkBytes = 64 << 10;

// The table that mutant 52 forgets.
constexpr char kForgottenTable = 'c';

}  // namespace

EngineSource::EngineSource(const storage::Engine& engine,
                           const std::vector<std::string>& local_rows, raft::SnapshotMeta meta)
    : engine_(engine),
      local_rows_(local_rows),
      meta_(std::move(meta)),
      pinned_(engine.NewSnapshot()),
      header_(EncodeSnapshotHeader(meta_)) {}

base::Status EngineSource::Prepare() {
  uint64_t offset = header_.size();
  uint32_t checksum = base::Crc32c(0, header_);
  uint64_t rows = 0;
  std::string row;
  StateWalk walk(engine_, pinned_.get(), local_rows_);
  for (walk.Seek({}); walk.Valid(); walk.Next()) {
    if (MutantIs(52) && walk.key().starts_with(kForgottenTable)) continue;
    if (marks_.empty() || offset >= marks_.back().offset + kMarkBytes) {
      marks_.push_back({offset, std::string(walk.key())});
    }
    row.clear();
    AppendSnapshotRow(row, walk.key(), walk.value());
    checksum = base::Crc32c(checksum, row);
    offset += row.size();
    ++rows;
  }
  rows_end_ = offset;
  trailer_ = EncodeSnapshotTrailer(rows, checksum);
  return walk.status();
}

base::Result<std::string> EngineSource::Read(uint64_t offset, size_t size_bytes) {
  ENSURE(offset + size_bytes <= TotalBytes(), "a snapshot is read beyond its end");
  const uint64_t end = offset + size_bytes;
  std::string out;     // from `start` on
  uint64_t start = 0;  // offset of the first byte of `out`
  if (offset < header_.size()) out = header_;
  const auto after =
      std::upper_bound(marks_.begin(), marks_.end(), offset,
                       [](uint64_t wanted, const Mark& mark) { return wanted < mark.offset; });
  const bool wants_rows = !marks_.empty() && offset < rows_end_ && end > header_.size();
  if (wants_rows) {
    const Mark& mark = after == marks_.begin() ? *after : *std::prev(after);
    if (out.empty()) start = mark.offset;
    StateWalk walk(engine_, pinned_.get(), local_rows_);
    for (walk.Seek(mark.key); walk.Valid() && start + out.size() < end; walk.Next()) {
      if (MutantIs(52) && walk.key().starts_with(kForgottenTable)) continue;
      AppendSnapshotRow(out, walk.key(), walk.value());
    }
    RETURN_IF_ERROR(walk.status());
  } else if (out.empty()) {
    start = rows_end_;
  }
  if (start + out.size() < end) out += trailer_;
  ENSURE(start <= offset && start + out.size() >= end, "a pinned state has changed");
  return out.substr(offset - start, size_bytes);
}

}  // namespace matricula::replication
