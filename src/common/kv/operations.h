#pragma once

#include "common/kv/pending.h"
#include "etcd_rpc.pb.h"

// The operations that commands and transactions are made of, on a pending group. They cannot fail
// but by trouble with the engine (pending.status()): what could be wrong is checked first.
namespace matricula::kv {

// KeyNotFound where `ignore_value` or `ignore_lease` needs a key, LeaseNotFound for the lease.
base::Status CheckPutKey(Pending& pending, const etcdserverpb::PutRequest& request);
base::Status CheckPutLease(Pending& pending, const etcdserverpb::PutRequest& request);

void ExecutePut(Pending& pending, const etcdserverpb::PutRequest& request,
                etcdserverpb::PutResponse& response);
void ExecuteDelete(Pending& pending, const etcdserverpb::DeleteRangeRequest& request,
                   etcdserverpb::DeleteRangeResponse& response);

// Carries out the branches that `txn` takes, or says why it may not be.
base::Status ExecuteTxn(storage::Engine& engine, Pending& pending, int64_t compacted_revision,
                        const etcdserverpb::TxnRequest& txn, etcdserverpb::TxnResponse& response);

}  // namespace matricula::kv
