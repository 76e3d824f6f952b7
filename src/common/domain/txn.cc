#include "common/domain/txn.h"

#include <utility>

#include "common/base/ensure.h"
#include "common/domain/keys.h"

namespace matricula::domain {
namespace {

using etcdserverpb::Compare;

etcdserverpb::RangeRequest* AddRead(Operations* operations, std::string key, int64_t revision) {
  auto* range = operations->Add()->mutable_request_range();
  range->set_key(std::move(key));
  range->set_revision(revision);
  return range;
}

}  // namespace

void RequireAbsent(etcdserverpb::TxnRequest& txn, std::string key) {
  RequireRevision(txn, std::move(key), 0);
}

void RequireExists(etcdserverpb::TxnRequest& txn, std::string key) {
  Compare* compare = txn.add_compare();
  compare->set_result(Compare::GREATER);
  compare->set_target(Compare::MOD);
  compare->set_key(std::move(key));
  compare->set_mod_revision(0);
}

void RequireRevision(etcdserverpb::TxnRequest& txn, std::string key, int64_t revision) {
  Compare* compare = txn.add_compare();
  compare->set_result(Compare::EQUAL);
  compare->set_target(Compare::MOD);
  compare->set_key(std::move(key));
  compare->set_mod_revision(revision);
}

void RequireEmpty(etcdserverpb::TxnRequest& txn, std::string prefix) {
  RequireNoneNewer(txn, std::move(prefix), 0);
}

void RequireNoneNewer(etcdserverpb::TxnRequest& txn, std::string prefix, int64_t revision) {
  Compare* compare = txn.add_compare();
  compare->set_result(Compare::LESS);
  compare->set_target(Compare::MOD);
  compare->set_range_end(PrefixEnd(prefix));
  compare->set_key(std::move(prefix));
  compare->set_mod_revision(revision + 1);
}

void AddPut(Operations* operations, std::string key, std::string value, int64_t lease_id) {
  auto* put = operations->Add()->mutable_request_put();
  put->set_key(std::move(key));
  put->set_value(std::move(value));
  put->set_lease(lease_id);
}

void AddTouch(Operations* operations, std::string key) {
  // In a transaction of its own, because touching an absent key would be an error.
  auto* nested = operations->Add()->mutable_request_txn();
  RequireExists(*nested, key);
  auto* put = nested->add_success()->mutable_request_put();
  put->set_key(std::move(key));
  put->set_ignore_value(true);
}

void AddDelete(Operations* operations, std::string key) {
  operations->Add()->mutable_request_delete_range()->set_key(std::move(key));
}

void AddDeleteRange(Operations* operations, std::string key, std::string end) {
  auto* erase = operations->Add()->mutable_request_delete_range();
  erase->set_key(std::move(key));
  erase->set_range_end(std::move(end));
}

void AddDeletePrefix(Operations* operations, std::string_view prefix) {
  AddDeleteRange(operations, std::string(prefix), PrefixEnd(prefix));
}

void AddGet(Operations* operations, std::string key, int64_t revision) {
  AddRead(operations, std::move(key), revision);
}

void AddCount(Operations* operations, std::string key, int64_t revision) {
  AddRead(operations, std::move(key), revision)->set_count_only(true);
}

void AddCountPrefix(Operations* operations, std::string_view prefix, int64_t revision) {
  auto* range = AddRead(operations, std::string(prefix), revision);
  range->set_range_end(PrefixEnd(prefix));
  range->set_count_only(true);
}

etcdserverpb::RangeRequest PrefixPage(std::string_view prefix, std::string_view after,
                                      int64_t limit, Values values, int64_t revision) {
  etcdserverpb::RangeRequest range;
  std::string from(after.empty() ? prefix : after);
  if (!after.empty()) from += '\0';
  range.set_key(std::move(from));
  range.set_range_end(PrefixEnd(prefix));
  range.set_limit(limit);
  range.set_skip_count(true);
  range.set_keys_only(values == Values::kWithout);
  range.set_revision(revision);
  return range;
}

void AddRange(Operations* operations, etcdserverpb::RangeRequest request) {
  *operations->Add()->mutable_request_range() = std::move(request);
}

const etcdserverpb::RangeResponse& ReadAt(const etcdserverpb::TxnResponse& response, int index) {
  ENSURE(index < response.responses_size() && response.responses(index).has_response_range(),
         "an answer stands where its read stood");
  return response.responses(index).response_range();
}

const mvccpb::KeyValue* PairAt(const etcdserverpb::TxnResponse& response, int index) {
  const auto& range = ReadAt(response, index);
  return range.kvs_size() > 0 ? &range.kvs(0) : nullptr;
}

int64_t CountAt(const etcdserverpb::TxnResponse& response, int index) {
  return ReadAt(response, index).count();
}

base::Status AboutKey(const base::Status& status, std::string_view key) {
  return {status.code(), status.message() + ": " + std::string(key)};
}

}  // namespace matricula::domain
