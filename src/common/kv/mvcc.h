#pragma once

#include <absl/functional/function_ref.h>

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/kv/alarms.h"
#include "common/kv/cleaner.h"
#include "common/kv/members.h"
#include "common/kv/outcome.h"
#include "common/kv/rows.h"
#include "common/storage/engine.h"

namespace matricula::kv {

// What one group of commands changed, in the order of revisions: whole transactions.
struct CommittedChanges {
  int64_t first_revision = 0;
  int64_t last_revision = 0;
  bool has_events = false;    // else nobody wanted them when the group was applied
  bool has_previous = false;  // events have prev_kv, where there was one
  std::vector<mvccpb::Event> events;
};

// Hears of changes as soon as readers can see them, on the applying thread, which it must not hold
// up.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  // Whether OnCommitted wants the events at all, and with prev_kv. Asked before every group.
  virtual bool WantsEvents() const = 0;
  virtual bool WantsPrevious() const = 0;
  // Called for every group that made a revision; without events if they were not wanted.
  virtual void OnCommitted(std::shared_ptr<const CommittedChanges> changes) = 0;
};

// One entry of the log that the replicas agree on.
struct LogCommand {
  uint64_t index = 0;
  const Command* command = nullptr;
};

// The multi-version store: a deterministic state machine on an engine. Equal commands in equal
// order give equal rows and equal answers on every replica, whatever groups they came in.
//
// Apply and CleanUp: one thread at a time. Everything else: any thread, any time, without locks;
// readers see the newest group that is as durable as was asked for, and nothing of the next.
// Memory does not grow with the number of keys.
class Mvcc {
 public:
  // Takes up what the engine holds, or makes a new store in it. The engine must outlive the store.
  // FailedPrecondition: a newer version's format. DataLoss: damaged rows.
  static base::Result<std::unique_ptr<Mvcc>> Open(storage::Engine& engine);

  // ---- changing ----

  // Carries out the commands in order, writes them with their last index as one batch, and then
  // lets readers see them. Entries at or below applied_index() are passed over, with the outcome
  // OutcomeUnknown. One outcome per command; an error instead means that the engine failed: what of
  // the group is durable is unknown, and the process must acknowledge nothing more.
  // A `note` that is not empty is kept in the same batch; note() returns the last one.
  base::Result<std::vector<Outcome>> Apply(std::span<const LogCommand> commands,
                                           storage::Durability durability,
                                           std::string_view note = {});
  const std::string& note() const { return note_; }
  // Of everything up to applied_index(); see digest.h. Of the applying thread.
  const Digest& digest() const { return state_.digest; }

  // Whether a compaction has left something to delete, and one bounded step of deleting it.
  bool NeedsCleanUp() const { return !compaction_.finished; }
  base::Status CleanUp(int max_changes = kChangesPerCleaning);

  // Somebody else replaces all rows of the store. Meanwhile, readers are refused (Unavailable);
  // afterwards the store is what the rows say.
  void BeginReplacement() { generation_.fetch_add(1, std::memory_order_acq_rel); }
  base::Status EndReplacement();

  // nullptr: nobody. To be set while nothing is being applied.
  void SetListener(ChangeListener* listener) { listener_ = listener; }

  // ---- reading ----

  base::Result<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request) const;
  // A transaction for which IsReadOnly (check.h) holds, at one revision.
  base::Result<etcdserverpb::TxnResponse> ReadTxn(const etcdserverpb::TxnRequest& request) const;

  int64_t revision() const { return visible_revision_.load(std::memory_order_acquire); }
  // Reads below are refused; -1 before the first compaction.
  int64_t compacted_revision() const { return compacted_revision_.load(std::memory_order_acquire); }
  uint64_t applied_index() const { return applied_index_.load(std::memory_order_acquire); }

  // Odd while the rows are being replaced. Who reads rows takes an engine's snapshot, and can rely
  // on it if this was the same even number before and afterwards.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  // See hash_kv.h; revision 0: the current one.
  base::Result<etcdserverpb::HashKVResponse> HashKv(int64_t revision) const;

  // The granted time to live of a lease in seconds; NotFound.
  base::Result<int64_t> LeaseTtl(int64_t lease) const;
  base::Result<std::vector<std::string>> LeaseKeys(int64_t lease) const;
  // All leases with their granted times to live.
  base::Result<std::vector<std::pair<int64_t, int64_t>>> Leases() const;

  std::vector<etcdserverpb::AlarmMember> RaisedAlarms() const EXCLUDES(published_mutex_);
  bool HasAlarm(etcdserverpb::AlarmType type) const EXCLUDES(published_mutex_);
  // See members.h: the configuration says which of them count.
  std::vector<MemberRecord> KnownMembers() const EXCLUDES(published_mutex_);

  const storage::Engine& engine() const { return engine_; }

 private:
  explicit Mvcc(storage::Engine& engine) : engine_(engine), cleaner_(engine) {}

  base::Status Load();
  template <class Read>
  auto Guarded(Read read) const -> decltype(read());
  base::Result<etcdserverpb::RangeResponse> RangeNow(
      const etcdserverpb::RangeRequest& request) const;
  base::Result<etcdserverpb::TxnResponse> ReadTxnNow(const etcdserverpb::TxnRequest& request) const;
  base::Result<etcdserverpb::HashKVResponse> HashKvNow(int64_t asked) const;
  base::Result<int64_t> LeaseTtlNow(int64_t lease) const;
  base::Result<std::vector<std::string>> LeaseKeysNow(int64_t lease) const;
  base::Result<std::vector<std::pair<int64_t, int64_t>>> LeasesNow() const;
  base::Status LoadMeta(std::string_view row, absl::FunctionRef<bool(std::string_view)> parse);
  void Publish(const State& state);

  storage::Engine& engine_;
  Cleaner cleaner_;
  ChangeListener* listener_ = nullptr;

  // Of the applying thread.
  State state_;
  Compaction compaction_;
  Alarms alarms_;
  Members members_;
  std::optional<uint64_t> published_member_changes_;
  std::string note_;

  // What readers may know of it.
  std::atomic<int64_t> visible_revision_{1};
  std::atomic<int64_t> compacted_revision_{-1};
  std::atomic<uint64_t> applied_index_{0};
  std::atomic<uint64_t> generation_{0};
  mutable base::Mutex published_mutex_;
  std::vector<etcdserverpb::AlarmMember> raised_alarms_ GUARDED_BY(published_mutex_);
  std::vector<MemberRecord> known_members_ GUARDED_BY(published_mutex_);
};

}  // namespace matricula::kv
