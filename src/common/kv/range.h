#pragma once

#include "common/kv/view.h"
#include "etcd_rpc.pb.h"

namespace matricula::kv {

// Answers a range request from the keys of `view`, which must be at the request's revision:
// fills kvs, more and count. Which options are applied in which order is etcd's: with a sort order
// or a filter the limit comes last, else first.
base::Status RunRange(View& view, const etcdserverpb::RangeRequest& request,
                      etcdserverpb::RangeResponse& response);

// The revision to read at: 0 or less means `current`. FutureRevision, or Compacted below
// `compacted`.
base::Result<int64_t> RevisionToRead(int64_t asked, int64_t current, int64_t compacted);

// The same check as a transaction makes for its ranges, where only 0 means `current`.
base::Status CheckRevisionInTxn(int64_t asked, int64_t current, int64_t compacted);

// `version` as the API shows it.
void FillKeyValue(std::string_view key, const Version& version, mvccpb::KeyValue& out);

}  // namespace matricula::kv
