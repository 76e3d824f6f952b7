#pragma once

#include "common/kv/alarms.h"
#include "common/kv/members.h"
#include "common/kv/outcome.h"
#include "common/kv/pending.h"

namespace matricula::kv {

// Leases live at least this long: one and a half election time-outs of a second, so that a change
// of leader does not end them.
inline constexpr int64_t kMinLeaseTtl_s = 2;
inline constexpr int64_t kMaxLeaseTtl_s = 9'000'000'000;

// Carries commands out on a pending group: the meaning of every command, a function of the state
// and the command alone. Takes any command, the wrong ones too: whether arguments make sense is
// for whoever proposes it to check (check.h), but no command can damage the store.
class Executor {
 public:
  Executor(storage::Engine& engine, Pending& pending, Compaction& compaction, Alarms& alarms,
           Members& members)
      : engine_(engine),
        pending_(pending),
        compaction_(compaction),
        alarms_(alarms),
        members_(members) {}

  // Meaningless once pending.status() is not ok.
  Outcome Execute(const Command& command);

 private:
  base::Status RefusedByAlarm(const Command& command) const;
  Outcome Put(const etcdserverpb::PutRequest& request);
  Outcome Delete(const etcdserverpb::DeleteRangeRequest& request);
  Outcome Txn(const etcdserverpb::TxnRequest& request);
  Outcome Compact(const etcdserverpb::CompactionRequest& request);
  Outcome Grant(const etcdserverpb::LeaseGrantRequest& request);
  Outcome Revoke(const etcdserverpb::LeaseRevokeRequest& request);
  Outcome Alarm(const etcdserverpb::AlarmRequest& request);
  Outcome ChangeMembers(const MemberChange& change);
  Outcome Mark(const DigestMark& mark);
  bool IsCorruptAsAWhole() const;
  std::vector<std::string> AttachedKeys(int64_t lease);

  storage::Engine& engine_;
  Pending& pending_;
  Compaction& compaction_;
  Alarms& alarms_;
  Members& members_;
};

}  // namespace matricula::kv
