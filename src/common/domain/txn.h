#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/status.h"
#include "etcd_rpc.pb.h"

// Writing the store's transactions and reading their answers.
namespace matricula::domain {

using Operations = google::protobuf::RepeatedPtrField<etcdserverpb::RequestOp>;

// Compares: the key must be absent, exist, or have been changed last at `revision` (0: be absent).
void RequireAbsent(etcdserverpb::TxnRequest& txn, std::string key);
void RequireExists(etcdserverpb::TxnRequest& txn, std::string key);
void RequireRevision(etcdserverpb::TxnRequest& txn, std::string key, int64_t revision);
// No key with this prefix may be there; none may have been changed after `revision`.
void RequireEmpty(etcdserverpb::TxnRequest& txn, std::string prefix);
void RequireNoneNewer(etcdserverpb::TxnRequest& txn, std::string prefix, int64_t revision);

void AddPut(Operations* operations, std::string key, std::string value, int64_t lease_id = 0);
// Changes nothing but the key's mod_revision, and nothing at all if the key is absent. For failure
// branches of writes that lose time and again: whoever else is about to change the key loses next.
void AddTouch(Operations* operations, std::string key);
void AddDelete(Operations* operations, std::string key);
// From `key` up to, not including, `end`.
void AddDeleteRange(Operations* operations, std::string key, std::string end);
void AddDeletePrefix(Operations* operations, std::string_view prefix);

// At `revision`; 0: the newest.
void AddGet(Operations* operations, std::string key, int64_t revision = 0);
// Answers only how many there are.
void AddCount(Operations* operations, std::string key, int64_t revision = 0);
void AddCountPrefix(Operations* operations, std::string_view prefix, int64_t revision = 0);

enum class Values { kWith, kWithout };
// The first `limit` pairs with this prefix, from after the key `after` (empty: from the first).
etcdserverpb::RangeRequest PrefixPage(std::string_view prefix, std::string_view after,
                                      int64_t limit, Values values, int64_t revision);
void AddRange(Operations* operations, etcdserverpb::RangeRequest request);

// The answer to the read at `index` of the branch that was taken; a bug if it was no read.
const etcdserverpb::RangeResponse& ReadAt(const etcdserverpb::TxnResponse& response, int index);
// The one pair of a single-key read; null if the key is absent.
const mvccpb::KeyValue* PairAt(const etcdserverpb::TxnResponse& response, int index);
// The number that an AddCount read answered.
int64_t CountAt(const etcdserverpb::TxnResponse& response, int index);

// `status` with the key that it is about.
base::Status AboutKey(const base::Status& status, std::string_view key);

}  // namespace matricula::domain
