#include "common/kv/executor.h"

#include <algorithm>

#include "common/base/ensure.h"
#include "common/kv/digest.h"
#include "common/kv/errors.h"
#include "common/kv/operations.h"
#include "common/kv/quota.h"

namespace matricula::kv {

using base::Status;

namespace {

Outcome Refused(Status status) { return {std::move(status), {}}; }

template <class R>
Outcome Answered(R response) {
  return {Status(), std::move(response)};
}

}  // namespace

Outcome Executor::Execute(const Command& command) {
  if (Status refused = RefusedByAlarm(command); !refused.ok()) return Refused(std::move(refused));
  switch (command.request_case()) {
    case Command::kPut:
      return Put(command.put());
    case Command::kDeleteRange:
      return Delete(command.delete_range());
    case Command::kTxn:
      return Txn(command.txn());
    case Command::kCompaction:
      return Compact(command.compaction());
    case Command::kLeaseGrant:
      return Grant(command.lease_grant());
    case Command::kLeaseRevoke:
      return Revoke(command.lease_revoke());
    case Command::kAlarm:
      return Alarm(command.alarm());
    case Command::kMemberChange:
      return ChangeMembers(command.member_change());
    case Command::kDigestMark:
      return Mark(command.digest_mark());
    case Command::REQUEST_NOT_SET:
      break;
  }
  // Of a newer version, or empty: every replica must pass it over alike.
  return Refused({base::Code::kUnimplemented, "unknown command"});
}

// Only what may mend it still works on a store that is known to be wrong; a full one takes
// whatever does not make it fuller.
Status Executor::RefusedByAlarm(const Command& command) const {
  if (alarms_.raised().empty() || command.has_alarm() || command.has_member_change() ||
      command.has_digest_mark()) {
    return {};
  }
  if (IsCorruptAsAWhole()) return errors::Corrupt();
  if (alarms_.Has(etcdserverpb::NOSPACE) && SpaceCost(command) > 0) return errors::NoSpace();
  return {};
}

// One member that is not like the others stops serving (store/replica_store.h), and they go on. If
// nobody knows whose state is right, the alarm names no member.
bool Executor::IsCorruptAsAWhole() const {
  return std::any_of(alarms_.raised().begin(), alarms_.raised().end(), [](const auto& alarm) {
    return alarm.alarm() == etcdserverpb::CORRUPT && alarm.memberid() == 0;
  });
}

Outcome Executor::Put(const etcdserverpb::PutRequest& request) {
  if (Status status = CheckPutLease(pending_, request); !status.ok()) return Refused(status);
  if (Status status = CheckPutKey(pending_, request); !status.ok()) return Refused(status);
  etcdserverpb::PutResponse response;
  ExecutePut(pending_, request, response);
  pending_.EndTransaction();
  return Answered(std::move(response));
}

Outcome Executor::Delete(const etcdserverpb::DeleteRangeRequest& request) {
  etcdserverpb::DeleteRangeResponse response;
  ExecuteDelete(pending_, request, response);
  pending_.EndTransaction();
  return Answered(std::move(response));
}

Outcome Executor::Txn(const etcdserverpb::TxnRequest& request) {
  etcdserverpb::TxnResponse response;
  Status status = ExecuteTxn(engine_, pending_, compaction_.revision, request, response);
  if (!status.ok()) return Refused(std::move(status));
  pending_.EndTransaction();
  return Answered(std::move(response));
}

// Only forbids reads below the revision; cleaning up follows piece by piece (cleaner.h).
Outcome Executor::Compact(const etcdserverpb::CompactionRequest& request) {
  if (request.revision() <= compaction_.revision) return Refused(errors::Compacted());
  if (request.revision() > pending_.revision()) return Refused(errors::FutureRevision());
  // What stood at the old revision itself was spared, and must be looked at again.
  compaction_.cleaned =
      std::min(compaction_.cleaned, Revision{std::max<int64_t>(compaction_.revision, 0), 0});
  compaction_.revision = request.revision();
  compaction_.finished = false;
  pending_.PutMeta(kCompactionRow, EncodeCompaction(compaction_));
  // Not the row: how far the cleaning has come is this replica's own affair.
  Note(pending_.digest(), kCompactionRow, static_cast<uint64_t>(request.revision()));
  etcdserverpb::CompactionResponse response;
  response.mutable_header()->set_revision(pending_.revision());
  return Answered(std::move(response));
}

Outcome Executor::Grant(const etcdserverpb::LeaseGrantRequest& request) {
  if (request.id() == 0) return Refused(errors::LeaseNotFound());
  if (request.ttl() > kMaxLeaseTtl_s) return Refused(errors::LeaseTtlTooLarge());
  if (pending_.FindLease(request.id())) return Refused(errors::LeaseExists());
  const int64_t ttl_s = std::max(request.ttl(), kMinLeaseTtl_s);
  pending_.PutLease(request.id(), ttl_s);
  etcdserverpb::LeaseGrantResponse response;
  response.mutable_header()->set_revision(pending_.revision());
  response.set_id(request.id());
  response.set_ttl(ttl_s);
  return Answered(std::move(response));
}

Outcome Executor::Revoke(const etcdserverpb::LeaseRevokeRequest& request) {
  if (!pending_.FindLease(request.id())) return Refused(errors::LeaseNotFound());
  for (const std::string& key : AttachedKeys(request.id())) pending_.Delete(pending_.Load(key));
  pending_.EndTransaction();
  pending_.DeleteLease(request.id());
  etcdserverpb::LeaseRevokeResponse response;
  response.mutable_header()->set_revision(pending_.revision());
  return Answered(std::move(response));
}

// In the order of keys. Attachments are rows only, so those of this group must be rows first.
std::vector<std::string> Executor::AttachedKeys(int64_t lease) {
  pending_.Flush();
  std::vector<std::string> keys;
  storage::ReadOptions options;
  options.lower = AttachmentRow(lease, {});
  options.upper = EndOfAttachments(lease);
  const auto rows = engine_.NewIterator(options);
  for (rows->Seek(options.lower); rows->Valid(); rows->Next()) {
    int64_t row_lease = 0;
    std::string_view key;
    ENSURE(ParseAttachmentRow(rows->key(), row_lease, key), "bounds hold a walk in its table");
    if (pending_.Load(key).second.exists()) keys.emplace_back(key);
  }
  pending_.Keep(rows->status());
  return keys;
}

Outcome Executor::Alarm(const etcdserverpb::AlarmRequest& request) {
  etcdserverpb::AlarmResponse response;
  if (alarms_.Apply(request, response)) {
    const std::string bytes = EncodeAlarms(alarms_.raised());
    pending_.PutMeta(kAlarmsRow, bytes);
    Note(pending_.digest(), kAlarmsRow, bytes);
  }
  response.mutable_header()->set_revision(pending_.revision());
  return Answered(std::move(response));
}

Outcome Executor::ChangeMembers(const MemberChange& change) {
  Status status = members_.Apply(change);
  if (!status.ok()) return Refused(std::move(status));
  const std::string bytes = EncodeMembers(members_.records());
  pending_.PutMeta(kMembersRow, bytes);
  Note(pending_.digest(), kMembersRow, bytes);
  return {};
}

// As of the last command before it.
Outcome Executor::Mark(const DigestMark& mark) {
  if (mark.restart()) Restart(pending_.digest(), pending_.state().applied_index);
  return Answered(ToMessage(pending_.state().digest, pending_.state().applied_index));
}

}  // namespace matricula::kv
