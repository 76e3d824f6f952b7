#pragma once

#include <any>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/raft/log_view.h"
#include "common/raft/membership.h"
#include "common/raft/message.h"
#include "common/raft/types.h"

// The three doors through which the driver meets the world: the disk that keeps the log, the
// network, and the state that the log is about. All calls come from the driver, one at a time.
// Whoever reports an error is not called again: the driver stops, acknowledges nothing more and
// leaves the rest to a restart.
namespace matricula::replication {

// The durable log of one node (LogView: what the core reads of it).
class LogStore : public raft::LogView {
 public:
  // As last written; zero in a new log.
  virtual raft::HardState hard_state() const = 0;

  // Counts this start of the node: a number larger than at any earlier one, durable on return.
  virtual base::Result<uint64_t> NewIncarnation() = 0;

  // One output's worth, atomic, and durable on return. `entries` follow one another; the first is
  // at most LastIndex() + 1, and everything from it on is replaced. After an error the outcome is
  // open: a restart may find the write or not.
  virtual base::Status Write(const std::optional<raft::HardState>& hard_state,
                             std::span<const raft::Entry> entries) = 0;

  // The same after a snapshot: the log forgets all it had, and goes on with `entries` after
  // (index, term), which is what its FirstIndex() - 1 stands for from then on.
  virtual base::Status Reset(raft::Index index, raft::Term term,
                             const std::optional<raft::HardState>& hard_state,
                             std::span<const raft::Entry> entries) = 0;

  // Drops the entries before `first`: at most kMaxCompactionEntries, and not the last one's
  // term. Need not be durable.
  static constexpr uint64_t kMaxCompactionEntries = 1'000;
  virtual base::Status Compact(raft::Index first) = 0;

  // Of all entries, by Entry::Cost().
  virtual uint64_t Bytes() const = 0;

  // The first error that a read of the log (LogView) met; ok until then.
  virtual base::Status ReadStatus() const = 0;
};

// Takes messages to the other members. Any of them may be lost, without a word or with a call of
// Driver::PeerUnreachable. Must not block; what does not fit into a bounded queue is dropped.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void Send(raft::Message message) = 0;
};

// One entry of the log, agreed upon for good.
struct Command {
  raft::Index index;
  raft::Term term;
  std::string_view bytes;  // what was proposed; of a configuration change: its context
  // Not null: the group's configuration from here on. Then `bytes` may be empty.
  const raft::ConfState* conf = nullptr;
  // Not null: a caller on this node waits for the answer, to be put here. What type it has is
  // between the state machine and those who propose.
  std::any* answer = nullptr;
};

// A state machine's whole state as bytes, as it was at one moment. Goes on reading that state while
// commands are applied. Must be destroyed before the state machine.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;

  // Of the last command that is in it.
  virtual const raft::SnapshotMeta& meta() const = 0;

  // The slow part (it reads everything once). To be called once, on any one thread, before the two
  // below; commands may be applied meanwhile.
  virtual base::Status Prepare() = 0;

  virtual uint64_t TotalBytes() const = 0;
  // Bytes [offset, offset + size_bytes), all of them within the total.
  virtual base::Result<std::string> Read(uint64_t offset, size_t size_bytes) = 0;
};

// What the log is about.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // The last command applied, and the configuration in force there, as found on disk at the start
  // and as given to Apply since. Zero and empty: nothing was ever applied.
  virtual raft::SnapshotMeta Applied() const = 0;

  // Applies `commands` in order, and remembers `now` as Applied(), all in one atomic batch. Need
  // not be durable on return: after a crash the state is as after some earlier Apply, never in
  // between, and what is missing comes again. An error means that the disk failed; a command that
  // makes no sense to the state machine is answered, not refused.
  virtual base::Status Apply(std::span<const Command> commands, const raft::SnapshotMeta& now) = 0;

  // Makes all that was applied durable.
  virtual base::Status Sync() = 0;

  // One bounded step (a millisecond or two) of work that nobody waits for. Whether more is left.
  virtual base::Result<bool> KeepHouse() { return false; }

  // The state as of Applied(). Quick. Null: cannot be made now; asked again later.
  virtual std::unique_ptr<SnapshotSource> PinSnapshot() = 0;

  // What arrives of somebody else's snapshot, in order; offset 0 starts anew. Need not be durable.
  virtual base::Status Stage(uint64_t offset, std::string_view bytes) = 0;
  virtual base::Status DiscardStaged() = 0;
  // Whether what was staged is whole, undamaged, and says of itself to be `meta`. DataLoss: it is
  // not; any other error is one of the disk.
  virtual base::Status CheckStaged(const raft::SnapshotMeta& meta) = 0;
  // What was staged and checked replaces the state, durably on return; Applied() is `meta` then. A
  // crash in between leaves the old state or finishes the job at the next start, before the state
  // machine is used.
  virtual base::Status InstallStaged(const raft::SnapshotMeta& meta) = 0;
};

}  // namespace matricula::replication
