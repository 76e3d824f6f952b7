#pragma once

#include <vector>

#include "common/kv/view.h"
#include "etcd_rpc.pb.h"

namespace matricula::kv {

// The branches that a transaction and the transactions nested in it take: for each, in the order
// in which they are met, whether all its compares hold. All are evaluated on `view`, the state
// before the transaction. A nested transaction in a branch not taken has no entry.
base::Result<std::vector<bool>> ChooseBranches(View& view, const etcdserverpb::TxnRequest& txn);

}  // namespace matricula::kv
