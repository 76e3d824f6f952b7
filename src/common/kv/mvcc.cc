#include "common/kv/mvcc.h"

#include "common/base/crc32c.h"

#include <algorithm>
#include <string>

#include "common/base/ensure.h"
#include "common/kv/compare.h"
#include "common/kv/engine_view.h"
#include "common/kv/errors.h"
#include "common/kv/executor.h"
#include "common/kv/format.h"
#include "common/kv/hash_kv.h"
#include "common/kv/pending.h"
#include "common/kv/prefetch.h"
#include "common/kv/range.h"

namespace matricula::kv {

using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// ---- opening ----

Result<std::unique_ptr<Mvcc>> Mvcc::Open(storage::Engine& engine) {
  std::unique_ptr<Mvcc> store(new Mvcc(engine));
  Status status = store->Load();
  if (!status.ok()) return status;
  return store;
}

Status Mvcc::Load() {
  const Status format = CheckFormat(engine_);
  if (format.code() == Code::kNotFound) {
    const auto batch = engine_.NewBatch();
    batch->Put(kFormatRow, EncodeTtl(kFormatVersion));
    batch->Put(kStateRow, EncodeState(state_));
    return engine_.Write(*batch, storage::Durability::kSynced);
  }
  RETURN_IF_ERROR(format);
  State state;
  compaction_ = {};
  note_.clear();
  RETURN_IF_ERROR(LoadMeta(kStateRow, [&](auto bytes) { return ParseState(bytes, state); }));
  ParseDigest({}, state);
  RETURN_IF_ERROR(LoadMeta(kDigestRow, [&](auto bytes) { return ParseDigest(bytes, state); }));
  RETURN_IF_ERROR(
      LoadMeta(kCompactionRow, [&](auto bytes) { return ParseCompaction(bytes, compaction_); }));
  std::vector<etcdserverpb::AlarmMember> raised;
  RETURN_IF_ERROR(LoadMeta(kAlarmsRow, [&](auto bytes) { return ParseAlarms(bytes, raised); }));
  alarms_ = Alarms(std::move(raised));
  std::vector<MemberRecord> members;
  RETURN_IF_ERROR(LoadMeta(kMembersRow, [&](auto bytes) { return ParseMembers(bytes, members); }));
  members_ = Members(std::move(members));
  published_member_changes_ = std::nullopt;
  RETURN_IF_ERROR(LoadMeta(kNoteRow, [&](auto bytes) {
    note_ = bytes;
    return true;
  }));
  Publish(state);
  return {};
}

Status Mvcc::LoadMeta(std::string_view row, absl::FunctionRef<bool(std::string_view)> parse) {
  const auto bytes = engine_.Get(row, nullptr);
  if (!bytes.ok()) return bytes.status().code() == Code::kNotFound ? Status() : bytes.status();
  return parse(*bytes) ? Status() : DamagedRow("meta");
}

// ---- changing ----

Result<std::vector<Outcome>> Mvcc::Apply(std::span<const LogCommand> commands,
                                         storage::Durability durability, std::string_view note) {
  Pending::Collect collect;
  collect.changes = listener_ != nullptr && listener_->WantsEvents();
  collect.previous = collect.changes && listener_->WantsPrevious();
  Pending pending(engine_, state_, compaction_, collect);
  pending.Prefetch(RowsToPrefetch(commands));
  Executor executor(engine_, pending, compaction_, alarms_, members_);
  std::vector<Outcome> outcomes;
  outcomes.reserve(commands.size());
  for (const LogCommand& entry : commands) {
    if (entry.index <= pending.state().applied_index) {
      outcomes.push_back({Status(Code::kOutcomeUnknown, "it had been carried out before"), {}});
      continue;
    }
    outcomes.push_back(executor.Execute(*entry.command));
    pending.EndCommand(entry.index, outcomes.back().status.code());
    if (!pending.status().ok()) return pending.status();
  }
  if (!note.empty()) pending.PutMeta(kNoteRow, note);
  if (Status status = pending.Commit(durability); !status.ok()) return status;
  if (!note.empty()) note_ = note;
  auto changes = std::make_shared<CommittedChanges>();
  changes->events = pending.TakeEvents();
  changes->has_events = collect.changes;
  changes->has_previous = collect.previous && !pending.previous_incomplete();
  changes->first_revision = state_.revision + 1;
  changes->last_revision = pending.state().revision;
  Publish(pending.state());
  const bool changed = changes->first_revision <= changes->last_revision;
  if (changed && listener_ != nullptr) listener_->OnCommitted(std::move(changes));
  return outcomes;
}

void Mvcc::Publish(const State& state) {
  state_ = state;
  {
    const MutexLock lock(published_mutex_);
    raised_alarms_ = alarms_.raised();
    if (members_.changes() != published_member_changes_) known_members_ = members_.records();
    published_member_changes_ = members_.changes();
  }
  compacted_revision_.store(compaction_.revision, std::memory_order_release);
  applied_index_.store(state.applied_index, std::memory_order_release);
  visible_revision_.store(state.revision, std::memory_order_release);
}

Status Mvcc::EndReplacement() {
  auto changes = std::make_shared<CommittedChanges>();
  changes->first_revision = state_.revision + 1;
  RETURN_IF_ERROR(Load());
  changes->last_revision = state_.revision;
  generation_.fetch_add(1, std::memory_order_acq_rel);
  // Told even if there is no new revision: somebody may be waiting for readable rows.
  if (listener_ != nullptr) listener_->OnCommitted(std::move(changes));
  return {};
}

Status Mvcc::CleanUp(int max_changes) {
  return NeedsCleanUp() ? cleaner_.Step(compaction_, max_changes) : Status();
}

// ---- reading ----

// Rows that were being replaced say nothing.
template <class Read>
auto Mvcc::Guarded(Read read) const -> decltype(read()) {
  const uint64_t before = generation();
  auto result = read();
  if (before % 2 == 0 && before == generation()) return result;
  return Status(Code::kUnavailable, "a snapshot is being installed");
}

Result<RangeResponse> Mvcc::Range(const RangeRequest& request) const {
  return Guarded([&] { return RangeNow(request); });
}

Result<TxnResponse> Mvcc::ReadTxn(const TxnRequest& request) const {
  return Guarded([&] { return ReadTxnNow(request); });
}

Result<etcdserverpb::HashKVResponse> Mvcc::HashKv(int64_t asked) const {
  return Guarded([&] { return HashKvNow(asked); });
}

Result<int64_t> Mvcc::LeaseTtl(int64_t lease) const {
  return Guarded([&] { return LeaseTtlNow(lease); });
}

Result<std::vector<std::string>> Mvcc::LeaseKeys(int64_t lease) const {
  return Guarded([&] { return LeaseKeysNow(lease); });
}

Result<std::vector<std::pair<int64_t, int64_t>>> Mvcc::Leases() const {
  return Guarded([&] { return LeasesNow(); });
}

Result<RangeResponse> Mvcc::RangeNow(const RangeRequest& request) const {
  for (;;) {
    const int64_t current = revision();
    const auto at = RevisionToRead(request.revision(), current, compacted_revision());
    if (!at.ok()) return at.status();
    RangeResponse response;
    EngineView view(engine_, *at);
    Status status = RunRange(view, request, response);
    if (!status.ok()) return status;
    response.mutable_header()->set_revision(current);
    if (*at >= compacted_revision()) return response;
    // Compacted meanwhile, so rows may have been missing. The newest revision has moved on.
    if (request.revision() > 0) return errors::Compacted();
  }
}

namespace {

// One try at one revision, without looking whether that is compacted meanwhile.
Result<TxnResponse> ReadTxnAt(const storage::Engine& engine, int64_t current, int64_t compacted,
                              const TxnRequest& request) {
  EngineView view(engine, current);
  const auto branches = ChooseBranches(view, request);
  if (!branches.ok()) return branches.status();
  TxnResponse response;
  response.mutable_header()->set_revision(current);
  response.set_succeeded(branches->front());
  const auto& operations = response.succeeded() ? request.success() : request.failure();
  for (const auto& operation : operations) {
    RETURN_IF_ERROR(CheckRevisionInTxn(operation.request_range().revision(), current, compacted));
  }
  for (const auto& operation : operations) {
    const RangeRequest& range = operation.request_range();
    auto& answer = *response.add_responses()->mutable_response_range();
    answer.mutable_header()->set_revision(current);
    EngineView past(engine, range.revision());
    RETURN_IF_ERROR(RunRange(range.revision() > 0 ? past : view, range, answer));
  }
  return response;
}

int64_t OldestRevisionRead(const TxnRequest& request, const TxnResponse& response) {
  int64_t oldest = response.header().revision();
  for (const auto& operation : response.succeeded() ? request.success() : request.failure()) {
    const int64_t revision = operation.request_range().revision();
    if (revision > 0) oldest = std::min(oldest, revision);
  }
  return oldest;
}

}  // namespace

Result<TxnResponse> Mvcc::ReadTxnNow(const TxnRequest& request) const {
  for (;;) {
    auto response = ReadTxnAt(engine_, revision(), compacted_revision(), request);
    if (!response.ok()) return response;
    if (OldestRevisionRead(request, *response) >= compacted_revision()) return response;
    // Compacted meanwhile: the next try refuses it, or reads at a newer revision.
  }
}

Result<etcdserverpb::HashKVResponse> Mvcc::HashKvNow(int64_t asked) const {
  // In this order: no row that the snapshot lacks was cleaned up for a later compaction, and all
  // rows up to the revision are in it.
  const int64_t current = revision();
  const auto snapshot = engine_.NewSnapshot();
  const int64_t compacted = compacted_revision();
  if (asked > 0 && asked <= compacted) return errors::Compacted();
  if (asked > current) return errors::FutureRevision();
  if (current < compacted) return HashKvNow(asked);  // both have moved on meanwhile
  // Below zero there is nothing, and no error either.
  const auto hash = asked < 0
                        ? Result<uint32_t>(base::Crc32c(0, "key"))
                        : kv::HashKv(engine_, *snapshot, asked == 0 ? current : asked, compacted);
  if (!hash.ok()) return hash.status();
  etcdserverpb::HashKVResponse response;
  response.mutable_header()->set_revision(current);
  response.set_hash(*hash);
  response.set_compact_revision(compacted);
  return response;
}

Result<int64_t> Mvcc::LeaseTtlNow(int64_t lease) const {
  const auto row = engine_.Get(LeaseRow(lease), nullptr);
  if (!row.ok()) {
    return row.status().code() == Code::kNotFound ? errors::LeaseNotFound() : row.status();
  }
  int64_t ttl_s = 0;
  if (!ParseTtl(*row, ttl_s)) return DamagedRow("leases");
  return ttl_s;
}

Result<std::vector<std::string>> Mvcc::LeaseKeysNow(int64_t lease) const {
  std::vector<std::string> keys;
  storage::ReadOptions options;
  options.lower = AttachmentRow(lease, {});
  options.upper = EndOfAttachments(lease);
  const auto rows = engine_.NewIterator(options);
  for (rows->Seek(options.lower); rows->Valid(); rows->Next()) {
    int64_t row_lease = 0;
    std::string_view key;
    if (!ParseAttachmentRow(rows->key(), row_lease, key)) return DamagedRow("attachments");
    keys.emplace_back(key);
  }
  if (!rows->status().ok()) return rows->status();
  return keys;
}

Result<std::vector<std::pair<int64_t, int64_t>>> Mvcc::LeasesNow() const {
  std::vector<std::pair<int64_t, int64_t>> leases;
  storage::ReadOptions options;
  options.lower = std::string(1, kLeaseTable);
  options.upper = std::string(1, kLeaseTable + 1);
  const auto rows = engine_.NewIterator(options);
  for (rows->Seek(options.lower); rows->Valid(); rows->Next()) {
    auto& [lease, ttl_s] = leases.emplace_back();
    if (!ParseLeaseRow(rows->key(), lease) || !ParseTtl(rows->value(), ttl_s)) {
      return DamagedRow("leases");
    }
  }
  if (!rows->status().ok()) return rows->status();
  return leases;
}

std::vector<etcdserverpb::AlarmMember> Mvcc::RaisedAlarms() const {
  const MutexLock lock(published_mutex_);
  return raised_alarms_;
}

std::vector<MemberRecord> Mvcc::KnownMembers() const {
  const MutexLock lock(published_mutex_);
  return known_members_;
}

bool Mvcc::HasAlarm(etcdserverpb::AlarmType type) const { return Alarms(RaisedAlarms()).Has(type); }

}  // namespace matricula::kv
