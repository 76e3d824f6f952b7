#include "common/raft/snapshot.h"

#include <algorithm>
#include <utility>

#include "common/base/ensure.h"

namespace matricula::raft {

ChunkSender::ChunkSender(const Ticket& transfer, SnapshotMeta meta, uint64_t total_bytes,
                         uint64_t chunk_bytes, int window_chunks)
    : transfer_(transfer),
      meta_(std::move(meta)),
      total_bytes_(total_bytes),
      chunk_bytes_(chunk_bytes),
      window_bytes_(chunk_bytes * static_cast<uint64_t>(window_chunks)) {
  ENSURE(total_bytes > 0, "a snapshot has at least one byte");
}

std::optional<ChunkSender::Range> ChunkSender::Next() {
  if (!ask_ && (next_ == total_bytes_ || next_ - acknowledged_ >= window_bytes_)) {
    return std::nullopt;
  }
  ++unanswered_;
  if (std::exchange(ask_, false)) return Range{next_, 0};
  const Range range{next_, std::min(chunk_bytes_, total_bytes_ - next_)};
  next_ += range.size_bytes;
  return range;
}

void ChunkSender::OnReply(uint64_t next_offset, bool restart) {
  if (next_offset > total_bytes_) return;  // no correct receiver says so
  unanswered_ = std::max(unanswered_ - 1, 0);
  if (!restart && next_offset <= acknowledged_ && !(stalled_ && next_offset < acknowledged_)) {
    return;  // overtaken
  }
  // Back as well as forth: a receiver that started anew wants bytes again that were acknowledged,
  // and if an answer of its earlier life has arrived since then, only the standstill tells.
  if (restart || next_offset < acknowledged_) next_ = next_offset;
  acknowledged_ = next_offset;
  next_ = std::max(next_, acknowledged_);
  stalled_ = false;
  still_ticks_ = 0;
}

void ChunkSender::Tick(int patience_ticks) {
  if (++still_ticks_ < patience_ticks) {
    if (unanswered_ == 0 && next_ > acknowledged_) GoBack();
    return;
  }
  still_ticks_ = 0;
  stalled_ = true;
  GoBack();
}

void ChunkSender::GoBack() {
  next_ = acknowledged_;
  unanswered_ = 0;
  ask_ = next_ == total_bytes_;
}

ChunkReceiver::ChunkReceiver(const SnapshotChunk& first)
    : transfer_(first.transfer), meta_(first.meta), total_bytes_(first.total_bytes) {}

bool ChunkReceiver::Take(const SnapshotChunk& chunk) {
  if (chunk.bytes.size() == 0 || chunk.offset != next_) return false;
  next_ += chunk.bytes.size();
  return true;
}

}  // namespace matricula::raft
