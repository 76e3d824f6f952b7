#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/storage/engine.h"
#include "test/sim/random.h"

namespace matricula::sim {

// A disk with an engine on it, as the engine's contract describes it: batches are atomic and
// ordered, what was synced stays, and everything else may be gone after a power failure. It
// outlives the processes that use it.
//
// What a power failure leaves of the batches that were not synced:
//   everything     the machine only lost its process
//   a prefix       as many as had reached the disk
//   reordered      each batch reached the disk or not, on its own; recovery ends at the first that
//                  did not, as an engine does whose journal has checksums
// The batch that was being written when the power went may be there, or not, or torn: with a prefix
// of its changes. Engines do not tear batches; the log store must survive it nevertheless, so that
// happens to batches that append to the log and do nothing else.
class SimEngine final : public storage::Engine {
 public:
  enum class Loss : uint8_t { kNothing, kPrefix, kReordered, kEverything };
  // What becomes of the batch at which the power goes.
  enum class Last : uint8_t { kLost, kWritten, kTorn };

  // A batch says of itself to be `batch_scale` times as large as it is: whoever splits large ones
  // comes to do so with the little data of a run.
  SimEngine(uint64_t seed, size_t batch_scale);

  // ---- faults ----

  // The power goes while the write after next `writes` is under way. From then on everything fails,
  // until PowerOn.
  void CutPowerAfter(uint64_t writes, Last last);
  bool powered() const { return powered_; }
  // Ends it at once.
  void CutPower() { powered_ = false; }
  void PowerOn(Loss loss);

  // Nothing that was planned comes.
  void ForgetFaults() {
    writes_until_cut_.reset();
    reads_until_error_.reset();
  }

  void SetFull(bool full) { full_ = full; }
  // The read after next `reads` fails.
  void FailReadAfter(uint64_t reads) { reads_until_error_ = reads; }
  // One bit of the log or of a staged snapshot turns, and nobody notices but who checks. False:
  // there is nothing to damage.
  bool FlipBitOfLog();
  // A row of the state becomes unreadable: the engine's own checksum is wrong.
  bool DamageState();

  // ---- what the checkers may know ----

  // The value that a power failure now would leave in any case.
  std::optional<std::string> Durable(const std::string& key) const;
  // What a read would find, past all faults.
  std::optional<std::string> Peek(const std::string& key) const;
  uint64_t writes() const { return writes_; }
  uint64_t syncs() const { return syncs_; }

  // ---- storage::Engine ----

  base::Result<std::string> Get(std::string_view key,
                                const storage::Snapshot* snapshot) const override;
  std::unique_ptr<storage::Iterator> NewIterator(
      const storage::ReadOptions& options) const override;
  std::unique_ptr<storage::Snapshot> NewSnapshot() const override { return inner_->NewSnapshot(); }
  std::unique_ptr<storage::WriteBatch> NewBatch() const override;
  base::Status Write(storage::WriteBatch& batch, storage::Durability durability) override;
  base::Status Checkpoint(const std::string& directory) override {
    return inner_->Checkpoint(directory);
  }
  base::Status CompactRange(std::string_view, std::string_view) override { return {}; }
  storage::EngineStats Stats() const override { return inner_->Stats(); }

 private:
  class CheckedIterator;

  struct Change {
    std::string key;
    std::optional<std::string> value;
  };
  class Batch;

  base::Status CheckRead() const;
  base::Status CheckRow(std::string_view key) const;
  void Apply(const std::vector<Change>& changes, size_t count);
  bool AppendsToLog(const std::vector<Change>& changes) const;
  void Undo();
  std::vector<std::string> KeysOf(bool log) const;

  Random random_;
  const size_t batch_scale_;
  std::unique_ptr<storage::Engine> inner_;
  // What each batch that is not synced has replaced, oldest batch first.
  std::deque<std::vector<Change>> undo_;
  bool powered_ = true;
  std::optional<uint64_t> writes_until_cut_;
  Last last_ = Last::kLost;
  bool full_ = false;
  mutable std::optional<uint64_t> reads_until_error_;
  std::set<std::string, std::less<>> unreadable_;
  uint64_t writes_ = 0;
  uint64_t syncs_ = 0;
};

}  // namespace matricula::sim
