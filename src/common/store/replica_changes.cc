// Of the store: what changes it. A request becomes a command, and the sequencer gives it its place.
#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/kv/check.h"
#include "common/kv/errors.h"
#include "common/kv/quota.h"
#include "common/store/identity.h"
#include "common/store/replica_store.h"
#include "common/store/slow_log.h"

namespace matricula::store {

namespace errors = kv::errors;
using base::Code;
using base::Done;
using base::Result;
using base::Status;

namespace {

// How old the measure of the disk may be that the quota is checked against.
constexpr int64_t kMeasureEvery_ns = 1'000'000'000;

bool AllSerializable(const etcdserverpb::TxnRequest& request) {
  const auto all = [](const auto& operations) {
    return std::all_of(operations.begin(), operations.end(), [](const auto& operation) {
      return operation.request_range().serializable();
    });
  };
  return all(request.success()) && all(request.failure());
}

// A disk that forgets what it had synced may take a member back to where it numbers its proposals
// as it had done before; then it hears what became of an earlier one.
Status OfAnotherCommand() {
  base::log::Error("store.outcome_mixed_up",
                   {{"reason", "a command was told the outcome of another one"},
                    {"consequence", "its own outcome is unknown; the disk may have lost writes"}});
  return {Code::kOutcomeUnknown, "the outcome was another command's"};
}

}  // namespace

template <class Response>
// NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved on, which a template hides
void ReplicaStore::Propose(kv::Command command, Done<Response> done) {
  Status refused = IsLearner() ? errors::LearnerUnsupported() : kv::CheckSize(command);
  if (corrupt_ && !command.has_alarm()) refused = errors::Corrupt();
  if (refused.ok()) refused = CheckSpace(command);
  if (!refused.ok()) return std::move(done)(std::move(refused));
  const auto kind = command.request_case();
  const int64_t start_ns = base::SystemClock().MonotonicNs();
  sequencer_->Propose(std::move(command),
                      [this, kind, start_ns, done = std::move(done)](kv::Outcome outcome) mutable {
                        NoteRequest(kind, start_ns);
                        const auto answer = [&]() -> Result<Response> {
                          if (!outcome.status.ok()) return std::move(outcome.status);
                          auto* response = std::get_if<Response>(&outcome.response);
                          if (response == nullptr) return OfAnotherCommand();
                          FillHeader(*response->mutable_header());
                          return std::move(*response);
                        };
                        Tell([done = std::move(done), result = answer()]() mutable {
                          std::move(done)(std::move(result));
                        });
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
    sequencer_->Propose(std::move(alarm), [](const kv::Outcome&) {});
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
    const bool serializable = AllSerializable(request);
    return Read(
        [this, request = std::move(request), done = std::move(done)](Status status) mutable {
          if (!status.ok()) return std::move(done)(std::move(status));
          auto response = mvcc_->ReadTxn(request);
          if (response.ok()) FillHeader(*response->mutable_header());
          std::move(done)(std::move(response));
        },
        serializable, true);
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
  // Whoever says that there is space again is believed only after a look.
  measured_at_ns_ = INT64_MIN;
  kv::Command command;
  *command.mutable_alarm() = request;
  Propose(std::move(command), std::move(done));
}

}  // namespace matricula::store
