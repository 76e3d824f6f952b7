#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "etcd_rpc.pb.h"

namespace matricula::domain {

// A store without any cleverness, whose every line can be held against etcd's rules: all versions
// of all keys in one map. Single-threaded.
class FakeKv {
 public:
  base::Result<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request);
  base::Result<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request) const;

  // Takes over what another store tells of its history, in its order.
  void Replay(const mvccpb::Event& event);

  int64_t GrantLease() {
    leases_.insert(++last_lease_);
    return last_lease_;
  }
  bool HasLease(int64_t lease_id) const { return leases_.contains(lease_id); }
  // Ends it as if its time had come: its keys go in one revision.
  void EndLease(int64_t lease_id);
  // As if another store had taken this one's place, knowing of no lease.
  void ForgetLeases() { leases_.clear(); }
  void Compact(int64_t revision) { compacted_ = revision; }

  int64_t revision() const { return revision_; }
  int64_t compacted() const { return compacted_; }
  int leases() const { return static_cast<int>(leases_.size()); }
  // All keys that there are at a revision.
  std::map<std::string, mvccpb::KeyValue> StateAt(int64_t revision) const;
  // What one revision changed, in the order of the keys.
  std::vector<mvccpb::Event> EventsAt(int64_t revision) const;
  // Null if the key is not there.
  const mvccpb::KeyValue* Find(const std::string& key, int64_t revision) const;

 private:
  using Ops = google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>;

  bool Holds(const etcdserverpb::Compare& compare) const;
  bool AllHold(const etcdserverpb::TxnRequest& request) const;
  base::Status Check(const Ops& ops, std::set<std::string>* put_keys) const;
  base::Status Run(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response);
  base::Status RunOne(const etcdserverpb::RequestOp& op, etcdserverpb::ResponseOp* response);
  base::Status Put(const etcdserverpb::PutRequest& request);
  int64_t Delete(const std::string& key, const std::string& end);
  std::vector<std::string> KeysIn(const std::string& key, const std::string& end,
                                  int64_t revision) const;
  void Write(const std::string& key, mvccpb::KeyValue pair);

  // Versions in order; a version without a create_revision is a deletion.
  std::map<std::string, std::vector<mvccpb::KeyValue>> versions_;
  std::set<int64_t> leases_;
  int64_t last_lease_ = 700;
  int64_t revision_ = 1;
  int64_t compacted_ = 0;
  std::vector<std::string> written_;  // by the transaction that runs
};

}  // namespace matricula::domain
