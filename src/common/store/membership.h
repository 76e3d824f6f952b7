#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/kv/mvcc.h"
#include "common/raft/membership.h"
#include "etcd_rpc.pb.h"
#include "raft.pb.h"

namespace matricula::store {

// Who belongs to the cluster, as this member has applied it: the raft configuration says who, and
// what is kept with the data (kv/members.h) says what they are called and where they are. A
// founding member that has not introduced itself yet is as its peers were told at their start.
// Any thread.
class Membership {
 public:
  struct Options {
    kv::Identity self;
    etcdserverpb::Member introduction;  // of this member: name and addresses
    std::map<uint64_t, etcdserverpb::Member> founders;
    // Where the members are (HOST:PORT), whenever that changes.
    std::function<void(const std::map<uint64_t, std::string>&)> on_addresses;
    // This member was one, and is not any more.
    std::function<void()> on_removed;
  };

  Membership(const kv::Mvcc& mvcc, Options options) : mvcc_(mvcc), options_(std::move(options)) {}

  // For the state machine's hooks.
  void OnConf(const raft::ConfState& conf) EXCLUDES(mutex_);
  void OnRecords() EXCLUDES(mutex_);

  std::vector<etcdserverpb::Member> List() const EXCLUDES(mutex_);
  bool IsMember(uint64_t id) const EXCLUDES(mutex_);
  bool IsLearner(uint64_t id) const EXCLUDES(mutex_);
  bool IsVoter(uint64_t id) const EXCLUDES(mutex_);
  uint64_t DiskOf(uint64_t id) const;
  // The member whose peers find it at HOST:PORT; 0: there is none.
  uint64_t IdAt(const std::string& address) const EXCLUDES(mutex_);
  uint64_t cluster_id() const { return options_.self.cluster_id; }
  // Learners that are to be voters as soon as they can.
  std::vector<uint64_t> AwaitingPromotion() const EXCLUDES(mutex_);
  raft::ConfState conf() const EXCLUDES(mutex_);

  // What a new member asks: who it is, by its address. NotFound: nobody has added it, or not here
  // yet. FailedPrecondition: it has been started before, with other data.
  base::Result<peer::JoinAnswer> Join(const peer::JoinRequest& request) const;

  // What this member has to tell the others about itself, if they do not know it yet.
  std::optional<kv::Command> Introduction() const EXCLUDES(mutex_);

 private:
  etcdserverpb::Member Describe(uint64_t id, const kv::Members& known,
                                const raft::ConfState& conf) const;
  void TellAddresses() EXCLUDES(mutex_);

  const kv::Mvcc& mvcc_;
  const Options options_;
  mutable base::Mutex mutex_;
  raft::ConfState conf_ GUARDED_BY(mutex_);
  bool was_member_ GUARDED_BY(mutex_) = false;
};

// http://HOST:PORT → HOST:PORT
std::string AddressOf(const std::string& url);

}  // namespace matricula::store
