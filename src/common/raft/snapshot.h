#pragma once

#include <cstdint>
#include <optional>

#include "common/raft/message.h"
#include "common/raft/types.h"

// How a snapshot crosses in chunks: the arithmetic of offsets on both sides, without the bytes.
// The sender keeps a window of chunks on their way; the receiver takes them in order only, and
// always answers with the offset that it wants next.
namespace matricula::raft {

class ChunkSender {
 public:
  struct Range {
    uint64_t offset;
    uint64_t size_bytes;  // 0: a question, how far are you?
  };

  ChunkSender(const Ticket& transfer, SnapshotMeta meta, uint64_t total_bytes, uint64_t chunk_bytes,
              int window_chunks);

  const Ticket& transfer() const { return transfer_; }
  const SnapshotMeta& meta() const { return meta_; }
  uint64_t total_bytes() const { return total_bytes_; }

  // What to send next, if the window allows.
  std::optional<Range> Next();
  void OnReply(uint64_t next_offset, bool restart);
  // Counts towards a retry: after `patience_ticks` without movement everything that is not
  // acknowledged is sent again, or the receiver is asked how far it is. At once if nothing is on
  // its way any more: then chunks have arrived out of order, and were not taken.
  void Tick(int patience_ticks);
  // What is on its way was probably lost.
  void GoBack();

 private:
  Ticket transfer_;
  SnapshotMeta meta_;
  uint64_t total_bytes_;
  uint64_t chunk_bytes_;
  uint64_t window_bytes_;
  uint64_t acknowledged_ = 0;
  uint64_t next_ = 0;
  int unanswered_ = 0;  // as far as is known: messages may be lost or doubled
  bool ask_ = false;
  int still_ticks_ = 0;
  bool stalled_ = false;  // gone back, and nothing has moved since
};

class ChunkReceiver {
 public:
  explicit ChunkReceiver(const SnapshotChunk& first);

  const Ticket& transfer() const { return transfer_; }
  const SnapshotMeta& meta() const { return meta_; }
  uint64_t next_offset() const { return next_; }
  bool complete() const { return next_ == total_bytes_; }
  // True if the chunk is the one that is wanted: write it. False: seen before, or too early.
  bool Take(const SnapshotChunk& chunk);

 private:
  Ticket transfer_;
  SnapshotMeta meta_;
  uint64_t total_bytes_;
  uint64_t next_ = 0;
};

}  // namespace matricula::raft
