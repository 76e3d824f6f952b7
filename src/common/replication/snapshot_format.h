#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/raft/message.h"
#include "common/storage/engine.h"

// A state as bytes. Numbers are little-endian.
//
//   header   "MATSNAP1"; u32 size; EncodeMeta of that size
//   row      u32 key size (> 0); u32 value size; key; value; the rows sorted by key
//   trailer  u32 0; u64 number of rows; u32 CRC-32C of all before
namespace matricula::replication {

// The table of what belongs to a node and not to the state: the log, and staged snapshots.
inline constexpr char kNodeTable = 'r';

inline constexpr uint32_t kMaxSnapshotRowBytes = uint32_t{64} << 20;

std::string EncodeSnapshotHeader(const raft::SnapshotMeta& meta);
void AppendSnapshotRow(std::string& out, std::string_view key, std::string_view value);
// `checksum` is that of all bytes so far.
std::string EncodeSnapshotTrailer(uint64_t rows, uint32_t checksum);

// The rows of the state, in order: all of the engine's but those that belong to the node.
class StateWalk {
 public:
  // `local_rows` must be sorted; it and the engine outlive the walk.
  StateWalk(const storage::Engine& engine, const storage::Snapshot* snapshot,
            const std::vector<std::string>& local_rows);

  void Seek(std::string_view key);
  void Next();
  bool Valid() const { return walk_->Valid(); }
  std::string_view key() const { return walk_->key(); }
  std::string_view value() const { return walk_->value(); }
  base::Status status() const { return walk_->status(); }

 private:
  void SkipLocal();

  const std::vector<std::string>& local_rows_;
  std::unique_ptr<storage::Iterator> walk_;
};

// Bytes that arrive piece by piece.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Adds the next piece to `buffer`; nothing at the end.
  virtual base::Status Fill(std::string& buffer) = 0;
};

// Takes a snapshot apart again, and believes nothing of it.
class SnapshotParser {
 public:
  explicit SnapshotParser(ByteStream& stream) : stream_(stream) {}

  // First of all.
  base::Result<raft::SnapshotMeta> ReadHeader();
  // Then until it answers false: the trailer has been read, and is right.
  // DataLoss: these bytes are no snapshot, or no whole one.
  base::Result<bool> ReadRow();
  // Valid until the next call of ReadRow.
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }

 private:
  // The next `size` bytes are at position_ of the buffer.
  base::Result<std::string_view> Take(size_t size);
  base::Result<uint32_t> TakeNumber();
  base::Status ReadTrailer();

  ByteStream& stream_;
  std::string buffer_;
  size_t position_ = 0;
  uint32_t checksum_ = 0;
  uint64_t rows_ = 0;
  std::string key_;
  std::string value_;
};

}  // namespace matricula::replication
