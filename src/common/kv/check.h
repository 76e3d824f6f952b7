#pragma once

#include <cstddef>

#include "command.pb.h"
#include "common/base/status.h"

// What can be said of a request without looking at the store, as etcd says it, in etcd's order of
// checks. Pure functions; whoever takes requests from outside calls them before anything else.
namespace matricula::kv {

// Operations in each list of a transaction; a nested one has what its parent left over.
inline constexpr int kMaxTxnOperations = 128;
// A command as it goes into the log, in bytes.
inline constexpr size_t kMaxCommandBytes = 1'572'864;

base::Status CheckRange(const etcdserverpb::RangeRequest& request);
base::Status CheckPut(const etcdserverpb::PutRequest& request);
base::Status CheckDeleteRange(const etcdserverpb::DeleteRangeRequest& request);
base::Status CheckTxn(const etcdserverpb::TxnRequest& request,
                      int max_operations = kMaxTxnOperations);
base::Status CheckSize(const Command& command);

// Whether all operations of both branches are ranges; then it needs no log entry.
bool IsReadOnly(const etcdserverpb::TxnRequest& request);
// Whether it is enough to answer from this replica's state: all its ranges are serializable.
bool IsSerializable(const etcdserverpb::TxnRequest& request);

}  // namespace matricula::kv
