#include "common/store/replica_store.h"

#include <cstdlib>
#include <random>
#include <utility>

#include "common/base/log.h"
#include "common/kv/check.h"
#include "common/kv/errors.h"
#include "common/kv/quota.h"

namespace matricula::store {

namespace errors = kv::errors;
using base::Code;
using base::Done;
using base::Result;
using base::Status;

namespace {

constexpr uint64_t kOnlyTerm = 1;  // of a store with one member, which never elects
constexpr int kExitIoError = 74;   // EX_IOERR of sysexits.h
// How old the measure of the disk may be that the quota is checked against.
constexpr int64_t kMeasureEvery_ns = 1'000'000'000;

void ExitOnFatal(const Status& status) {
  base::log::Error("store.engine_failed", {{"status", status.ToString()}});
  std::_Exit(kExitIoError);
}

uint64_t RandomId() {
  std::random_device device;
  const uint64_t id = (static_cast<uint64_t>(device()) << 32 | device()) >> 1;
  return id == 0 ? 1 : id;
}

Result<kv::Identity> LoadIdentity(storage::Engine& engine) {
  const auto row = engine.Get(kv::kIdentityRow, nullptr);
  kv::Identity identity;
  if (row.ok()) {
    if (kv::ParseIdentity(*row, identity)) return identity;
    return Status(Code::kDataLoss, "the identity of this replica is damaged");
  }
  if (row.status().code() != Code::kNotFound) return row.status();
  identity = {RandomId(), RandomId()};
  const auto batch = engine.NewBatch();
  batch->Put(kv::kIdentityRow, kv::EncodeIdentity(identity));
  Status status = engine.Write(*batch, storage::Durability::kSynced);
  if (!status.ok()) return status;
  return identity;
}

ReplicaStore::Options WithDefaults(ReplicaStore::Options options) {
  if (!options.on_fatal) options.on_fatal = ExitOnFatal;
  return options;
}

}  // namespace

// ---- life ----

Result<std::unique_ptr<ReplicaStore>> ReplicaStore::Open(std::unique_ptr<storage::Engine> engine,
                                                         Options options) {
  auto mvcc = kv::Mvcc::Open(*engine);
  if (!mvcc.ok()) return mvcc.status();
  const auto identity = LoadIdentity(*engine);
  if (!identity.ok()) return identity.status();
  const auto leases = (*mvcc)->Leases();
  if (!leases.ok()) return leases.status();
  std::unique_ptr<ReplicaStore> store(new ReplicaStore(
      std::move(engine), std::move(mvcc).value(), *identity, WithDefaults(std::move(options))));
  store->lessor_.Reset(*leases);
  store->sequencer_ = std::make_unique<LocalSequencer>(
      *store->mvcc_, store->lessor_, *store->options_.clock, store->options_.on_fatal);
  store->watch_thread_ = std::make_unique<kv::WatchThread>(store->hub_, *store->options_.clock);
  return store;
}

ReplicaStore::ReplicaStore(std::unique_ptr<storage::Engine> engine, std::unique_ptr<kv::Mvcc> mvcc,
                           const kv::Identity& identity, Options options)
    : options_(std::move(options)),
      identity_(identity),
      engine_(std::move(engine)),
      mvcc_(std::move(mvcc)),
      lessor_(*options_.clock),
      hub_(*mvcc_, *options_.clock,
           {.progress_interval_ms = options_.watch_progress_interval_ms,
            .fill_header = [this](auto& header) { FillHeader(header); }}) {
  mvcc_->SetListener(&hub_);
}

ReplicaStore::~ReplicaStore() { Stop(); }

void ReplicaStore::Stop() {
  if (stopped_.exchange(true)) return;
  if (sequencer_) sequencer_->Stop();
  watch_thread_.reset();
  hub_.Close({Code::kCancelled, errors::Stopped().message()});
}

Status ReplicaStore::CheckRunning() const { return stopped_ ? errors::Stopped() : Status(); }

void ReplicaStore::FillHeader(etcdserverpb::ResponseHeader& header) const {
  header.set_cluster_id(identity_.cluster_id);
  header.set_member_id(identity_.member_id);
  header.set_raft_term(kOnlyTerm);
  if (header.revision() == 0) header.set_revision(mvcc_->revision());
}

// ---- changes ----

template <class Response>
void ReplicaStore::Propose(kv::Command command, Done<Response> done) {
  Status refused = kv::CheckSize(command);
  if (refused.ok()) refused = CheckSpace(command);
  if (!refused.ok()) return std::move(done)(std::move(refused));
  sequencer_->Propose(std::move(command),
                      [this, done = std::move(done)](kv::Outcome outcome) mutable {
                        if (!outcome.status.ok()) return std::move(done)(outcome.status);
                        auto& response = std::get<Response>(outcome.response);
                        FillHeader(*response.mutable_header());
                        std::move(done)(std::move(response));
                      });
}

// The measure is a second old at most; what was let in since is added by its estimate.
Status ReplicaStore::CheckSpace(const kv::Command& command) {
  if (options_.quota_bytes == 0) return {};
  const uint64_t cost = kv::SpaceCost(command);
  if (cost == 0) return {};
  const int64_t now_ns = options_.clock->MonotonicNs();
  if (measured_at_ns_ < now_ns - kMeasureEvery_ns) {
    measured_at_ns_ = now_ns;
    measured_bytes_ = engine_->Stats().disk_bytes;
  }
  if (measured_bytes_.fetch_add(cost) + cost < options_.quota_bytes) return {};
  measured_bytes_ -= cost;  // it is not let in
  if (!mvcc_->HasAlarm(etcdserverpb::NOSPACE)) {
    base::log::Warning("store.quota_exceeded",
                       {{"disk_bytes", measured_bytes_.load()}, {"quota", options_.quota_bytes}});
    kv::Command alarm;
    alarm.mutable_alarm()->set_action(etcdserverpb::AlarmRequest::ACTIVATE);
    alarm.mutable_alarm()->set_alarm(etcdserverpb::NOSPACE);
    alarm.mutable_alarm()->set_memberid(identity_.member_id);
    sequencer_->Propose(std::move(alarm), [](kv::Outcome) {});
  }
  return errors::NoSpace();
}

void ReplicaStore::Put(etcdserverpb::PutRequest request, Done<etcdserverpb::PutResponse> done) {
  if (Status wrong = kv::CheckPut(request); !wrong.ok()) return std::move(done)(wrong);
  kv::Command command;
  command.mutable_put()->Swap(&request);
  Propose(std::move(command), std::move(done));
}

void ReplicaStore::DeleteRange(etcdserverpb::DeleteRangeRequest request,
                               Done<etcdserverpb::DeleteRangeResponse> done) {
  if (Status wrong = kv::CheckDeleteRange(request); !wrong.ok()) return std::move(done)(wrong);
  kv::Command command;
  command.mutable_delete_range()->Swap(&request);
  Propose(std::move(command), std::move(done));
}

void ReplicaStore::Txn(etcdserverpb::TxnRequest request, Done<etcdserverpb::TxnResponse> done) {
  if (Status wrong = kv::CheckTxn(request); !wrong.ok()) return std::move(done)(wrong);
  if (kv::IsReadOnly(request)) {
    if (Status status = CheckRunning(); !status.ok()) return std::move(done)(status);
    auto response = mvcc_->ReadTxn(request);
    if (response.ok()) FillHeader(*response->mutable_header());
    return std::move(done)(std::move(response));
  }
  kv::Command command;
  command.mutable_txn()->Swap(&request);
  Propose(std::move(command), std::move(done));
}

void ReplicaStore::Compact(const etcdserverpb::CompactionRequest& request,
                           Done<etcdserverpb::CompactionResponse> done) {
  kv::Command command;
  *command.mutable_compaction() = request;
  Propose(std::move(command), std::move(done));
}

void ReplicaStore::LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                              Done<etcdserverpb::LeaseGrantResponse> done) {
  kv::Command command;
  *command.mutable_lease_grant() = request;
  if (request.id() == 0) command.mutable_lease_grant()->set_id(static_cast<int64_t>(RandomId()));
  Propose(std::move(command), std::move(done));
}

void ReplicaStore::LeaseRevoke(const etcdserverpb::LeaseRevokeRequest& request,
                               Done<etcdserverpb::LeaseRevokeResponse> done) {
  kv::Command command;
  *command.mutable_lease_revoke() = request;
  Propose(std::move(command), std::move(done));
}

void ReplicaStore::Alarm(const etcdserverpb::AlarmRequest& request,
                         Done<etcdserverpb::AlarmResponse> done) {
  kv::Command command;
  *command.mutable_alarm() = request;
  Propose(std::move(command), std::move(done));
}

// ---- reads ----

void ReplicaStore::Range(const etcdserverpb::RangeRequest& request,
                         Done<etcdserverpb::RangeResponse> done) {
  if (Status wrong = kv::CheckRange(request); !wrong.ok()) return std::move(done)(wrong);
  if (Status status = CheckRunning(); !status.ok()) return std::move(done)(status);
  auto response = mvcc_->Range(request);
  if (response.ok()) FillHeader(*response->mutable_header());
  std::move(done)(std::move(response));
}

std::unique_ptr<Watch> ReplicaStore::OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                               WatchSink* sink) {
  return hub_.Open(request, sink);
}

Result<etcdserverpb::HashKVResponse> ReplicaStore::HashKv(
    const etcdserverpb::HashKVRequest& request) const {
  if (Status status = CheckRunning(); !status.ok()) return status;
  auto response = mvcc_->HashKv(request.revision());
  if (response.ok()) FillHeader(*response->mutable_header());
  return response;
}

ReplicaStore::Numbers ReplicaStore::GetNumbers() const {
  const storage::EngineStats stats = engine_->Stats();
  Numbers numbers;
  numbers.disk_bytes = stats.disk_bytes;
  numbers.memory_bytes = stats.memory_bytes;
  numbers.applied_index = mvcc_->applied_index();
  numbers.term = kOnlyTerm;
  numbers.leader = leader();
  numbers.revision = mvcc_->revision();
  numbers.compacted_revision = mvcc_->compacted_revision();
  numbers.alarms = mvcc_->RaisedAlarms();
  return numbers;
}

Status ReplicaStore::Checkpoint(const std::string& directory) {
  return engine_->Checkpoint(directory);
}

Status ReplicaStore::Defragment() {
  RETURN_IF_ERROR(CheckRunning());
  return engine_->CompactRange({}, {});
}

// ---- leases ----

void ReplicaStore::LeaseKeepAlive(int64_t lease_id,
                                  Done<etcdserverpb::LeaseKeepAliveResponse> done) {
  if (Status status = CheckRunning(); !status.ok()) return std::move(done)(status);
  etcdserverpb::LeaseKeepAliveResponse response;
  FillHeader(*response.mutable_header());
  response.set_id(lease_id);
  response.set_ttl(lessor_.KeepAlive(lease_id).value_or(0));
  std::move(done)(std::move(response));
}

Result<etcdserverpb::LeaseTimeToLiveResponse> ReplicaStore::LeaseTimeToLive(
    const etcdserverpb::LeaseTimeToLiveRequest& request) const {
  RETURN_IF_ERROR(CheckRunning());
  etcdserverpb::LeaseTimeToLiveResponse response;
  FillHeader(*response.mutable_header());
  response.set_id(request.id());
  const auto lease = lessor_.Find(request.id());
  if (!lease) {
    response.set_ttl(-1);
    return response;
  }
  response.set_ttl(lease->remaining_s);
  response.set_grantedttl(lease->granted_s);
  if (!request.keys()) return response;
  const auto keys = mvcc_->LeaseKeys(request.id());
  if (!keys.ok()) return keys.status();
  for (const std::string& key : *keys) response.add_keys(key);
  return response;
}

Result<etcdserverpb::LeaseLeasesResponse> ReplicaStore::LeaseLeases() const {
  RETURN_IF_ERROR(CheckRunning());
  etcdserverpb::LeaseLeasesResponse response;
  FillHeader(*response.mutable_header());
  for (const int64_t lease : lessor_.List()) response.add_leases()->set_id(lease);
  return response;
}

}  // namespace matricula::store
