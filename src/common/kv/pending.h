#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/kv/change_log.h"
#include "common/kv/engine_view.h"
#include "common/kv/view.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// The newest state of a key, with a value of its own.
struct KeyState {
  Version version;  // all but `value`; a tombstone where the key does not exist
  std::string value;
  bool has_row = false;  // in the table of keys; never so without a version
  bool changed = false;  // by this group, and not written yet

  KeyState() { version.tombstone = true; }
  bool exists() const { return !version.tombstone; }
  Version View() const;
};

// A group of commands on its way into the engine: what they have changed so far, on top of what
// is there. Later commands see it; readers do not until it is committed. Each key is looked up in
// the engine once per group. Only what the commands name is kept in memory.
//
// Trouble with the engine is kept in status(), after which nothing here means anything: no command
// can be decided, and the group must be given up.
class Pending final : public View {
 public:
  // Everything known about a key; stays at its address.
  using Entry = std::pair<const std::string, KeyState>;

  struct Collect {
    bool changes = false;   // make events of the changes
    bool previous = false;  // with what was there before
  };

  // `compaction` is what it is at any moment while commands are carried out.
  Pending(storage::Engine& engine, const State& state, const Compaction& compaction,
          Collect collect);

  const base::Status& status() const { return status_; }
  // Remembers trouble with the engine; ok changes nothing.
  void Keep(const base::Status& status);

  // ---- what is there, changes of the open transaction included ----

  base::Result<std::optional<Version>> Find(std::string_view key) override;
  base::Status Scan(const KeyRange& range, Visitor visitor) override;
  Entry& Load(std::string_view key);
  // Before anything else: loads keys together, which is cheaper. `rows`: their rows in the table
  // of keys, in any order, repeated or not.
  void Prefetch(std::vector<std::string> rows);
  // The keys that exist, in their order.
  std::vector<Entry*> LoadRange(const KeyRange& range);
  // The granted time to live of a lease, in seconds; nullopt: no such lease.
  std::optional<int64_t> FindLease(int64_t lease);

  // ---- changing it ----

  // Of the newest transaction that has ended.
  int64_t revision() const { return state_.revision; }
  // The open transaction's, if it changes anything.
  int64_t next_revision() const { return state_.revision + 1; }
  // What revision() would be if the open transaction ended now.
  int64_t revision_so_far() const { return state_.revision + (changes_ > 0 ? 1 : 0); }
  // Up to here the engine's rows are complete.
  int64_t flushed_revision() const { return flushed_revision_; }

  // `value` may be the entry's own.
  void Put(Entry& entry, std::string_view value, int64_t lease);
  // The key must exist.
  void Delete(Entry& entry);
  void PutLease(int64_t lease, int64_t ttl_s);
  void DeleteLease(int64_t lease);
  void PutMeta(std::string_view row, std::string_view value) { batch_->Put(row, value); }
  // For what the digest must know of it besides.
  Digest& digest() { return state_.digest; }
  // The open transaction is whole: its changes, if any, make a revision.
  void EndTransaction();

  // ---- writing ----

  // Everything up to the log entry `index` is done, whose command ended with `code`.
  void EndCommand(uint64_t index, base::Code code);
  // Between transactions: gives the engine what there is so far, because a command reads rows.
  void Flush();
  // The last flush, after which everything is as durable as asked for. Gives status().
  base::Status Commit(storage::Durability durability);

  const State& state() const { return state_; }
  // The events of all transactions that have ended.
  std::vector<mvccpb::Event> TakeEvents() { return std::move(events_); }
  // Some event lacks what was there before it, although it was to be collected.
  bool previous_incomplete() const { return previous_incomplete_; }

 private:
  using Overlay = std::map<std::string, KeyState, std::less<>>;

  void Write(storage::Durability durability);
  void LoadRow(std::string_view bytes, KeyState& state);
  static uint64_t HashOf(const Entry& entry);
  void Replace(Entry& entry, const Version& version);
  void MoveToOlder(const Entry& entry);
  void WriteChanged();
  void MoveAttachment(const Entry& entry, int64_t to);
  mvccpb::Event* Announce(const Entry& entry, mvccpb::Event::EventType type);

  storage::Engine& engine_;
  const Compaction& compaction_;
  EngineView committed_;
  std::unique_ptr<storage::WriteBatch> batch_;
  State state_;
  int64_t flushed_revision_;
  int64_t changes_ = 0;  // of the open transaction
  ChangeWriter change_rows_;
  Overlay overlay_;
  std::map<int64_t, std::optional<int64_t>> leases_;
  const Collect collect_;
  bool previous_incomplete_ = false;
  std::vector<mvccpb::Event> events_;
  base::Status status_;
  std::vector<Entry*> changed_;  // whose newest versions are still to be written
  std::string row_;              // room for encoding
  std::string bytes_;
};

}  // namespace matricula::kv
