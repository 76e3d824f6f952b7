#include "common/store/replica_store.h"

#include <cstdlib>
#include <utility>

#include "common/base/log.h"
#include "common/kv/check.h"
#include "common/kv/errors.h"
#include "common/store/identity.h"

namespace matricula::store {

namespace errors = kv::errors;
using base::Code;
using base::Done;
using base::Result;
using base::Status;

namespace {

constexpr uint64_t kOnlyTerm = 1;  // of a store with one member, which never elects
constexpr int kExitIoError = 74;   // EX_IOERR of sysexits.h

void ExitOnFatal(const Status& status) {
  base::log::Error("store.engine_failed", {{"status", status.ToString()}});
  std::_Exit(kExitIoError);
}

ReplicaStore::Options WithDefaults(ReplicaStore::Options options) {
  if (!options.on_fatal) options.on_fatal = ExitOnFatal;
  return options;
}

}  // namespace

// ---- life ----

Result<std::unique_ptr<ReplicaStore>> ReplicaStore::Open(std::unique_ptr<storage::Engine> engine,
                                                         Options options) {
  auto found = FindIdentity(*engine);
  if (!found.ok()) return found.status();
  if (!*found) {
    auto made = MakeIdentity(*engine, RandomId(), RandomId());
    if (!made.ok()) return made.status();
    *found = *made;
  }
  std::unique_ptr<ReplicaStore> store(
      new ReplicaStore(std::move(engine), **found, WithDefaults(std::move(options))));
  RETURN_IF_ERROR(store->OpenMachine());
  RETURN_IF_ERROR(store->StartSequencer());
  store->watch_thread_ = std::make_unique<kv::WatchThread>(*store->hub_, *store->options_.clock);
  store->open_ = true;
  return store;
}

ReplicaStore::ReplicaStore(std::unique_ptr<storage::Engine> engine, const kv::Identity& identity,
                           Options options)
    : options_(std::move(options)),
      identity_(identity),
      engine_(std::move(engine)),
      lessor_(*options_.clock) {}

Status ReplicaStore::OpenMachine() {
  kv::ReplicatedMvcc::Hooks hooks;
  hooks.on_applied = [this](const kv::Command& command, const kv::Outcome& outcome) {
    Applier::Follow(command, outcome, lessor_);
    if (command.has_member_change() && membership_) membership_->OnRecords();
    if (command.has_alarm()) LookAtAlarms();
    const auto* mark = std::get_if<kv::StateDigest>(&outcome.response);
    if (mark != nullptr && comparison_) comparison_->OnMark(*mark);
  };
  hooks.on_conf = [this](const raft::ConfState& conf, std::string_view) {
    membership_->OnConf(conf);
  };
  hooks.on_replaced = [this] {
    const auto leases = mvcc_->Leases();
    if (leases.ok()) lessor_.Reset(*leases);
    base::log::Info("snapshot.installed", {{"index", machine_->Applied().index.value()}});
    membership_->OnConf(machine_->Applied().conf);
    LookAtAlarms();
  };
  hooks.may_be_shared = [this] { return !corrupt_; };
  hooks.on_clean = [this] {
    if (group_ != nullptr) group_->OnClean();
  };
  hooks.clock = options_.clock;
  hooks.apply_times = &apply_times_;
  auto machine = kv::ReplicatedMvcc::Open(*engine_, std::move(hooks));
  RETURN_IF_ERROR(machine.status());
  machine_ = std::move(machine).value();
  mvcc_ = &machine_->mvcc();
  const auto leases = mvcc_->Leases();
  RETURN_IF_ERROR(leases.status());
  lessor_.Reset(*leases);
  hub_ = std::make_unique<kv::WatchHub>(
      *mvcc_, *options_.clock,
      kv::WatchHub::Options{.progress_interval_ms = options_.watch_progress_interval_ms,
                            .fill_header = [this](auto& header) { FillHeader(header); }});
  mvcc_->SetListener(hub_.get());
  return {};
}

Status ReplicaStore::StartSequencer() {
  if (!options_.replication) {
    if (machine_->HasHistory()) {
      return {Code::kFailedPrecondition,
              "the data belongs to a member of a cluster: --raft-listen is missing"};
    }
    sequencer_ =
        std::make_unique<LocalSequencer>(*mvcc_, lessor_, *options_.clock, options_.on_fatal);
    return {};
  }
  const Replication& replication = *options_.replication;
  Membership::Options membership = replication.membership;
  membership.self = identity_;
  membership.on_removed = [this, tell = std::move(membership.on_removed)] {
    group_->Retire();
    if (tell) tell();
  };
  membership_ = std::make_unique<Membership>(*mvcc_, std::move(membership));
  RaftSequencer::Options options;
  options.member_id = identity_.member_id;
  options.founders = replication.founders;
  options.log_margin_entries = replication.log_margin_entries;
  options.max_log_bytes = replication.max_log_bytes;
  options.on_fatal = options_.on_fatal;
  options.on_tick = [this] { OnTick(); };
  if (options_.loop) {
    options.helper = [loop = options_.loop](auto task) { loop->Run(std::move(task)); };
  }
  options.on_leader = [this](bool known) {
    const auto& tell = options_.replication->on_leader;
    if (tell) tell(known && !corrupt_);
  };
  options.on_conf = [this](const raft::ConfState& conf) { membership_->OnConf(conf); };
  auto group = RaftSequencer::Open(std::move(options), *engine_, *machine_, lessor_,
                                   *replication.transport, *options_.clock);
  RETURN_IF_ERROR(group.status());
  group_ = group->get();
  sequencer_ = std::move(group).value();
  OpenComparison();
  desk_ = std::make_unique<LeaderDesk>(*group_, *membership_, *mvcc_, lessor_, *comparison_,
                                       *options_.clock, replication.ask);
  LookAtAlarms();
  large_reads_ = std::make_unique<ReadThread>();
  return group_->Start();
}

ReplicaStore::~ReplicaStore() { Stop(); }

void ReplicaStore::Stop() {
  if (stopped_.exchange(true)) return;
  if (sequencer_) sequencer_->Stop();
  if (options_.loop) options_.loop->Flush();
  large_reads_.reset();
  watch_thread_.reset();
  if (hub_) hub_->Close({Code::kCancelled, errors::Stopped().message()});
}

Status ReplicaStore::CheckRunning() const {
  if (stopped_) return errors::Stopped();
  return corrupt_ ? errors::Corrupt() : Status();
}

void ReplicaStore::FillHeader(etcdserverpb::ResponseHeader& header) const {
  header.set_cluster_id(identity_.cluster_id);
  header.set_member_id(identity_.member_id);
  header.set_raft_term(group_ ? group_->term() : kOnlyTerm);
  if (header.revision() == 0) header.set_revision(mvcc_->revision());
}

void ReplicaStore::Tell(absl::AnyInvocable<void() &&> task) {
  options_.loop ? options_.loop->Run(std::move(task)) : std::move(task)();
}

// ---- reads ----

// Linearizable: once this member has what was acknowledged anywhere before. What may take long does
// not hold up the thread that all members wait for.
void ReplicaStore::Read(absl::AnyInvocable<void(Status) &&> read, bool serializable, bool large) {
  if (Status status = CheckRunning(); !status.ok()) return std::move(read)(std::move(status));
  if (group_ == nullptr || serializable) return std::move(read)(Status());
  if (IsLearner()) return std::move(read)(errors::LearnerUnsupported());
  group_->AwaitCurrent([this, read = std::move(read), large](Status status) mutable {
    if (!status.ok() || !large) {
      return Tell([read = std::move(read), status = std::move(status)]() mutable {
        std::move(read)(std::move(status));
      });
    }
    large_reads_->Run(
        [read = std::move(read)](Status taken) mutable { std::move(read)(std::move(taken)); });
  });
}

void ReplicaStore::RangeNow(const etcdserverpb::RangeRequest& request,
                            Done<etcdserverpb::RangeResponse> done) {
  auto response = mvcc_->Range(request);
  if (response.ok()) FillHeader(*response->mutable_header());
  std::move(done)(std::move(response));
}

void ReplicaStore::Range(const etcdserverpb::RangeRequest& request,
                         Done<etcdserverpb::RangeResponse> done) {
  if (Status wrong = kv::CheckRange(request); !wrong.ok()) return std::move(done)(wrong);
  if (group_ == nullptr || request.serializable()) {
    if (Status status = CheckRunning(); !status.ok()) return std::move(done)(status);
    return RangeNow(request, std::move(done));
  }
  Read(
      [this, request, done = std::move(done)](Status status) mutable {
        status.ok() ? RangeNow(request, std::move(done)) : std::move(done)(std::move(status));
      },
      false, !request.range_end().empty());
}

std::unique_ptr<Watch> ReplicaStore::OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                               WatchSink* sink) {
  return hub_->Open(request, sink);
}

Result<etcdserverpb::HashKVResponse> ReplicaStore::HashKv(
    const etcdserverpb::HashKVRequest& request) const {
  if (stopped_) return errors::Stopped();
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
  numbers.log_index = numbers.applied_index;
  numbers.term = kOnlyTerm;
  if (group_ != nullptr) {
    const auto summary = group_->node().summary();
    numbers.applied_index = summary.applied.value();
    numbers.log_index = summary.commit.value();
    numbers.term = summary.standing.term.value();
    numbers.learner = IsLearner();
  }
  numbers.leader = leader();
  numbers.revision = mvcc_->revision();
  numbers.compacted_revision = mvcc_->compacted_revision();
  numbers.alarms = mvcc_->RaisedAlarms();
  return numbers;
}

ReplicaStore::Stats ReplicaStore::GetStats() const {
  using storage::Durability;
  Stats stats;
  stats.engine = engine_->Stats();
  stats.sequencer = sequencer_->stats();
  const base::Histogram* synced = engine_->WriteTimes(Durability::kSynced);
  const base::Histogram* buffered = engine_->WriteTimes(Durability::kBuffered);
  if (synced != nullptr) stats.synced_writes = synced->Snapshot();
  if (buffered != nullptr) stats.buffered_writes = buffered->Snapshot();
  if (group_ != nullptr) {
    stats.node = group_->node().summary();
    stats.applies = apply_times_.Snapshot();
  } else {
    stats.applies = static_cast<const LocalSequencer&>(*sequencer_).apply_times().Snapshot();
  }
  return stats;
}

Status ReplicaStore::Checkpoint(const std::string& directory) {
  RETURN_IF_ERROR(CheckRunning());
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
  // As it is before the renewal, in etcd too.
  etcdserverpb::LeaseKeepAliveResponse response;
  FillHeader(*response.mutable_header());
  response.set_id(lease_id);
  if (desk_ == nullptr) {
    response.set_ttl(lessor_.KeepAlive(lease_id).value_or(0));
    return std::move(done)(std::move(response));
  }
  peer::Call call;
  call.mutable_keep_alive()->set_id(lease_id);
  desk_->Do(std::move(call), [response = std::move(response),
                              done = std::move(done)](Result<peer::Answer> answer) mutable {
    if (!answer.ok()) return std::move(done)(answer.status());
    response.set_ttl(answer->keep_alive().ttl());
    std::move(done)(std::move(response));
  });
}

void ReplicaStore::LeaseTimeToLive(const etcdserverpb::LeaseTimeToLiveRequest& request,
                                   Done<etcdserverpb::LeaseTimeToLiveResponse> done) {
  if (Status status = CheckRunning(); !status.ok()) return std::move(done)(status);
  if (desk_ == nullptr) {
    auto response = DescribeLease(lessor_, *mvcc_, request);
    if (response.ok()) FillHeader(*response->mutable_header());
    return std::move(done)(std::move(response));
  }
  peer::Call call;
  *call.mutable_time_to_live() = request;
  desk_->Do(std::move(call), [this, done = std::move(done)](Result<peer::Answer> answer) mutable {
    if (!answer.ok()) return std::move(done)(answer.status());
    FillHeader(*answer->mutable_time_to_live()->mutable_header());
    std::move(done)(std::move(*answer->mutable_time_to_live()));
  });
}

void ReplicaStore::MoveLeader(uint64_t target, Done<etcdserverpb::MoveLeaderResponse> done) {
  if (leader() != identity_.member_id) return std::move(done)(errors::NotLeader());
  if (target == identity_.member_id) return std::move(done)(etcdserverpb::MoveLeaderResponse());
  if (group_ == nullptr) return std::move(done)(errors::BadLeaderTransferee());
  group_->node().TransferLeadership(
      raft::NodeId(target), [done = std::move(done)](const Result<raft::Term>& term) mutable {
        if (term.ok()) return std::move(done)(etcdserverpb::MoveLeaderResponse());
        const bool impossible = term.status().code() == Code::kFailedPrecondition;
        std::move(done)(impossible ? errors::BadLeaderTransferee()
                                   : errors::TimedOutLeaderTransfer());
      });
}

Result<etcdserverpb::LeaseLeasesResponse> ReplicaStore::LeaseLeases() const {
  RETURN_IF_ERROR(CheckRunning());
  etcdserverpb::LeaseLeasesResponse response;
  FillHeader(*response.mutable_header());
  for (const int64_t lease : lessor_.List()) response.add_leases()->set_id(lease);
  return response;
}

}  // namespace matricula::store
