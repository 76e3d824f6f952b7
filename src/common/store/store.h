#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/done.h"
#include "common/base/status.h"
#include "common/kv/watch.h"
#include "etcd_rpc.pb.h"

// What the roles see of the key-value store: etcd's v3 semantics, wherever the store runs.
// The messages are those of the etcd API; their rules are etcd's.
namespace matricula::store {

// Largest transaction that every store takes: operations per list, and bytes in all.
inline constexpr int kMaxTxnOperations = 128;
inline constexpr size_t kMaxTxnBytes = 1'500'000;

using WatchSink = kv::WatchSink;
using Watch = kv::Watch;

// Errors that any call may have: Unavailable (nothing was changed; try again), ResourceExhausted
// (a queue is full; nothing was changed), InvalidArgument / OutOfRange (the request is wrong), and
// for Txn and LeaseGrant OutcomeUnknown (it may or may not have taken effect).
class Store {
 public:
  virtual ~Store() = default;

  // Linearizable unless the request says `serializable`. With `skip_count` (ours) the answer's
  // count may be too small; pages of a long listing cost far less with it.
  virtual void Range(const etcdserverpb::RangeRequest& request,
                     base::Done<etcdserverpb::RangeResponse> done) = 0;

  // Atomic: compares, then does one branch or the other; durable before it answers. A transaction
  // whose operations are all ranges changes nothing and is a linearizable read of one revision.
  virtual void Txn(etcdserverpb::TxnRequest request,
                   base::Done<etcdserverpb::TxnResponse> done) = 0;

  // Events from `start_revision` on (0: from now). watch_id, progress_notify and fragment are
  // the store's own business and ignored here. The sink must outlive the returned watch.
  virtual std::unique_ptr<Watch> OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                           WatchSink* sink) = 0;

  // A lease that ends, and deletes its keys, `TTL` seconds after its last keep-alive.
  virtual void LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                          base::Done<etcdserverpb::LeaseGrantResponse> done) = 0;
  // TTL 0 in the answer: there is no such lease any more.
  virtual void LeaseKeepAlive(int64_t lease_id,
                              base::Done<etcdserverpb::LeaseKeepAliveResponse> done) = 0;
};

}  // namespace matricula::store
