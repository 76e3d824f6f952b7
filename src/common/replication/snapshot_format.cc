#include "common/replication/snapshot_format.h"

#include <algorithm>
#include <utility>

#include "common/base/crc32c.h"
#include "common/replication/coding.h"
#include "common/replication/meta.h"
#include "common/replication/mutant.h"

namespace matricula::replication {
namespace {

using base::Code;
using base::Result;
using base::Status;

constexpr std::string_view kMagic = "MATSNAP1";
constexpr uint32_t kMaxMetaBytes = 1 << 20;
constexpr std::string_view kAfterNodeTable = "s";

Status Damaged(const char* what) { return {Code::kDataLoss, what}; }

}  // namespace

std::string EncodeSnapshotHeader(const raft::SnapshotMeta& meta) {
  const std::string encoded = EncodeMeta(meta);
  std::string out(kMagic);
  AppendLittleEndian(out, static_cast<uint32_t>(encoded.size()));
  out += encoded;
  return out;
}

void AppendSnapshotRow(std::string& out, std::string_view key, std::string_view value) {
  AppendLittleEndian(out, static_cast<uint32_t>(key.size()));
  AppendLittleEndian(out, static_cast<uint32_t>(value.size()));
  out += key;
  out += value;
}

std::string EncodeSnapshotTrailer(uint64_t rows, uint32_t checksum) {
  std::string out;
  AppendLittleEndian(out, uint32_t{0});
  AppendLittleEndian(out, rows);
  AppendLittleEndian(out, base::Crc32c(checksum, out));
  return out;
}

StateWalk::StateWalk(const storage::Engine& engine, const storage::Snapshot* snapshot,
                     const std::vector<std::string>& local_rows)
    : local_rows_(local_rows), walk_(engine.NewIterator({snapshot, {}, {}, false})) {}

void StateWalk::Seek(std::string_view key) {
  walk_->Seek(key);
  SkipLocal();
}

void StateWalk::Next() {
  walk_->Next();
  SkipLocal();
}

void StateWalk::SkipLocal() {
  while (walk_->Valid()) {
    if (walk_->key().starts_with(kNodeTable)) {
      walk_->Seek(kAfterNodeTable);
    } else if (std::binary_search(local_rows_.begin(), local_rows_.end(), walk_->key(),
                                  std::less<>())) {
      walk_->Next();
    } else {
      return;
    }
  }
}

Result<std::string_view> SnapshotParser::Take(size_t size) {
  while (buffer_.size() - position_ < size) {
    buffer_.erase(0, std::exchange(position_, 0));
    const size_t before = buffer_.size();
    RETURN_IF_ERROR(stream_.Fill(buffer_));
    if (buffer_.size() == before) return Damaged("the snapshot ends in the middle");
  }
  const std::string_view bytes = std::string_view(buffer_).substr(position_, size);
  position_ += size;
  checksum_ = base::Crc32c(checksum_, bytes);
  return bytes;
}

Result<uint32_t> SnapshotParser::TakeNumber() {
  Result<std::string_view> bytes = Take(sizeof(uint32_t));
  if (!bytes.ok()) return bytes.status();
  uint32_t number = 0;
  TakeLittleEndian(*bytes, number);
  return number;
}

Result<raft::SnapshotMeta> SnapshotParser::ReadHeader() {
  Result<std::string_view> magic = Take(kMagic.size());
  if (!magic.ok()) return magic.status();
  if (*magic != kMagic) return Damaged("these bytes are no snapshot");
  Result<uint32_t> size = TakeNumber();
  if (!size.ok()) return size.status();
  if (*size > kMaxMetaBytes) return Damaged("the snapshot's header is damaged");
  Result<std::string_view> meta = Take(*size);
  if (!meta.ok()) return meta.status();
  return DecodeMeta(*meta);
}

Result<bool> SnapshotParser::ReadRow() {
  Result<uint32_t> key_size = TakeNumber();
  if (!key_size.ok()) return key_size.status();
  if (*key_size == 0) {
    RETURN_IF_ERROR(ReadTrailer());
    return false;
  }
  Result<uint32_t> value_size = TakeNumber();
  if (!value_size.ok()) return value_size.status();
  if (*key_size > kMaxSnapshotRowBytes || *value_size > kMaxSnapshotRowBytes) {
    return Damaged("a row of the snapshot is too large");
  }
  Result<std::string_view> row = Take(size_t{*key_size} + *value_size);
  if (!row.ok()) return row.status();
  const std::string_view key = row->substr(0, *key_size);
  if (key <= key_) return Damaged("the rows of the snapshot are out of order");
  if (key.starts_with(kNodeTable)) return Damaged("the snapshot holds what belongs to a node");
  key_ = key;
  value_ = row->substr(*key_size);
  ++rows_;
  return true;
}

Status SnapshotParser::ReadTrailer() {
  Result<std::string_view> count = Take(sizeof(uint64_t));
  if (!count.ok()) return count.status();
  uint64_t rows = 0;
  TakeLittleEndian(*count, rows);
  const uint32_t expected = checksum_;
  Result<uint32_t> checksum = TakeNumber();
  if (!checksum.ok()) return checksum.status();
  if (rows != rows_ || (*checksum != expected && !MutantIs(67))) {
    return Damaged("the snapshot's checksum is wrong");
  }
  if (position_ == buffer_.size()) RETURN_IF_ERROR(stream_.Fill(buffer_));
  return position_ == buffer_.size() ? Status() : Damaged("the snapshot goes on behind its end");
}

}  // namespace matricula::replication
