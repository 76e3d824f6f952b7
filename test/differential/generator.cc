#include "test/differential/generator.h"

#include <algorithm>

namespace matricula::differential {

using etcdserverpb::Compare;

namespace {

constexpr int kMaxDepth = 3;
// Far beyond the duration of a run, so that no lease ends by itself.
constexpr int64_t kLongTtlS = 100'000;
constexpr int64_t kMaxTtlS = 9'000'000'000;

const std::string kAll("\0", 1);

// At most twelve: etcd's sort is stable only up to that.
const std::vector<std::string>& Keys() {
  static const std::vector<std::string> keys = {"a",
                                                "a1",
                                                std::string("a\0", 2),
                                                "aa",
                                                "b",
                                                "b/1",
                                                "b/2",
                                                "c",
                                                "\xff",
                                                "\xff\xff",
                                                std::string("\0", 1),
                                                "matricula/GSI010/1"};
  return keys;
}

// The end of the range of all keys that begin with `prefix`.
std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty()) {
    if (static_cast<unsigned char>(prefix.back()) < 0xff) {
      ++prefix.back();
      return prefix;
    }
    prefix.pop_back();
  }
  return kAll;
}

bool Deletes(const etcdserverpb::TxnRequest& request) {
  const auto deletes = [](const etcdserverpb::RequestOp& operation) {
    return operation.has_request_delete_range() ||
           (operation.has_request_txn() && Deletes(operation.request_txn()));
  };
  return std::any_of(request.success().begin(), request.success().end(), deletes) ||
         std::any_of(request.failure().begin(), request.failure().end(), deletes);
}

void KeepNothing(etcdserverpb::TxnRequest& request) {
  for (auto* branch : {request.mutable_success(), request.mutable_failure()}) {
    for (etcdserverpb::RequestOp& operation : *branch) {
      if (operation.has_request_put()) {
        operation.mutable_request_put()->set_ignore_value(false);
        operation.mutable_request_put()->set_ignore_lease(false);
      } else if (operation.has_request_txn()) {
        KeepNothing(*operation.mutable_request_txn());
      }
    }
  }
}

}  // namespace

std::string Generator::Key() {
  return OneIn(60) ? "" : Keys()[static_cast<size_t>(Number(static_cast<int>(Keys().size())))];
}

std::string Generator::RangeEnd(const std::string& key) {
  switch (Number(6)) {
    case 0:
    case 1:
      return "";
    case 2:
      return kAll;
    case 3:
      return PrefixEnd(key);
    default:
      return Key();
  }
}

std::string Generator::Value() {
  switch (Number(20)) {
    case 0:
      return "";
    case 1:
      return std::string(static_cast<size_t>(Number(3'000)), 'x');
    case 2:
      return std::string("\0\xff\n", 3);
    default:
      return std::to_string(Number(5));
  }
}

int64_t Generator::Revision() {
  switch (Number(10)) {
    case 0:
      return revision;
    case 1:
      return revision + 1 + Number(3);
    case 2:
      return compacted;
    case 3:
      return compacted - 1;
    case 4:
      return compacted + 1;
    case 5:
      return -Number(3);
    default:
      return revision - Number(30);
  }
}

int64_t Generator::Lease() {
  if (leases.empty() || OneIn(8)) {
    return 1 + Number(40);
  }
  return leases[static_cast<size_t>(Number(static_cast<int>(leases.size())))];
}

etcdserverpb::RangeRequest Generator::Range() {
  etcdserverpb::RangeRequest request;
  request.set_key(Key());
  request.set_range_end(RangeEnd(request.key()));
  if (OneIn(3)) {
    request.set_limit(Number(6) - 1);
  }
  if (OneIn(2)) {
    request.set_revision(Revision());
  }
  if (OneIn(2)) {
    request.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(Number(3)));
    request.set_sort_target(static_cast<etcdserverpb::RangeRequest::SortTarget>(Number(5)));
  }
  if (OneIn(50)) {
    request.set_sort_order(static_cast<etcdserverpb::RangeRequest::SortOrder>(7));
  }
  request.set_serializable(OneIn(4));
  request.set_keys_only(OneIn(5));
  request.set_count_only(OneIn(8));
  if (OneIn(4)) {
    request.set_min_mod_revision(Revision());
  }
  if (OneIn(4)) {
    request.set_max_mod_revision(Revision());
  }
  if (OneIn(6)) {
    request.set_min_create_revision(Revision());
  }
  if (OneIn(6)) {
    request.set_max_create_revision(Revision());
  }
  return request;
}

etcdserverpb::PutRequest Generator::Put() {
  etcdserverpb::PutRequest request;
  request.set_key(Key());
  request.set_prev_kv(OneIn(3));
  request.set_ignore_value(OneIn(8));
  request.set_ignore_lease(OneIn(8));
  if (!request.ignore_value() || OneIn(6)) {
    request.set_value(Value());
  }
  if (OneIn(3) && (!request.ignore_lease() || OneIn(6))) {
    request.set_lease(Lease());
  }
  return request;
}

etcdserverpb::DeleteRangeRequest Generator::DeleteRange() {
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(Key());
  request.set_range_end(OneIn(2) ? "" : RangeEnd(request.key()));
  request.set_prev_kv(OneIn(2));
  return request;
}

void Generator::FillComparedValue(Compare& compare, int kind) {
  switch (kind) {
    case Compare::VERSION:
      compare.set_version(Number(4));
      break;
    case Compare::CREATE:
      compare.set_create_revision(Revision());
      break;
    case Compare::MOD:
      compare.set_mod_revision(Revision());
      break;
    case Compare::VALUE:
      compare.set_value(Value());
      break;
    default:
      compare.set_lease(OneIn(2) ? 0 : Lease());
      break;
  }
}

Compare Generator::Comparison() {
  Compare compare;
  compare.set_result(static_cast<Compare::CompareResult>(Number(4)));
  compare.set_target(static_cast<Compare::CompareTarget>(Number(5)));
  compare.set_key(Key());
  if (OneIn(4)) {
    compare.set_range_end(RangeEnd(compare.key()));
  }
  // Now and then a value that does not belong to the target, or none at all.
  if (!OneIn(20)) {
    FillComparedValue(compare, OneIn(20) ? Number(5) : static_cast<int>(compare.target()));
  }
  return compare;
}

etcdserverpb::RequestOp Generator::Operation(int depth) {
  etcdserverpb::RequestOp operation;
  const int kind = Number(depth < kMaxDepth ? 10 : 9);
  if (kind < 3) {
    *operation.mutable_request_range() = Range();
  } else if (kind < 7) {
    *operation.mutable_request_put() = Put();
  } else if (kind < 9) {
    *operation.mutable_request_delete_range() = DeleteRange();
  } else {
    *operation.mutable_request_txn() = Txn(depth + 1);
  }
  if (OneIn(150)) {
    operation.Clear();
  }
  return operation;
}

etcdserverpb::TxnRequest Generator::Txn(int depth) {
  etcdserverpb::TxnRequest request;
  for (int i = Number(3); i > 0; --i) {
    *request.add_compare() = Comparison();
  }
  // Long ones mostly fail for naming a key twice, so they are of ranges alone.
  if (depth == 1 && OneIn(60)) {
    for (int i = 126 + Number(5); i > 0; --i) {
      *request.add_success()->mutable_request_range() = Range();
    }
    return request;
  }
  for (int i = Number(4); i > 0; --i) {
    *request.add_success() = Operation(depth);
  }
  for (int i = Number(3); i > 0; --i) {
    *request.add_failure() = Operation(depth);
  }
  return request;
}

etcdserverpb::TxnRequest Generator::Txn() {
  auto request = Txn(1);
  if (Deletes(request)) {
    KeepNothing(request);
  }
  return request;
}

etcdserverpb::CompactionRequest Generator::Compaction() {
  etcdserverpb::CompactionRequest request;
  request.set_revision(Revision());
  request.set_physical(OneIn(3));
  return request;
}

etcdserverpb::LeaseGrantRequest Generator::LeaseGrant() {
  etcdserverpb::LeaseGrantRequest request;
  request.set_id(OneIn(10) ? -1 - Number(5) : 1 + Number(40));
  switch (Number(10)) {
    case 0:
      request.set_ttl(kMaxTtlS + Number(2));
      break;
    default:
      request.set_ttl(kLongTtlS + Number(1'000'000));
      break;
  }
  return request;
}

etcdserverpb::WatchCreateRequest Generator::WatchCreate() {
  etcdserverpb::WatchCreateRequest request;
  request.set_key(Key());
  request.set_range_end(RangeEnd(request.key()));
  // What is before the compaction is refused, but when depends on the server's leisure.
  const int64_t start = Revision();
  request.set_start_revision(start < 0 ? 0 : start);
  request.set_prev_kv(OneIn(2));
  request.set_fragment(OneIn(3));
  if (OneIn(4)) {
    request.add_filters(OneIn(2) ? etcdserverpb::WatchCreateRequest::NOPUT
                                 : etcdserverpb::WatchCreateRequest::NODELETE);
  }
  return request;
}

std::vector<etcdserverpb::WatchRequest> Generator::WatchScript() {
  std::vector<etcdserverpb::WatchRequest> script;
  for (int i = 2 + Number(8); i > 0; --i) {
    etcdserverpb::WatchRequest request;
    if (OneIn(3)) {
      request.mutable_cancel_request()->set_watch_id(Number(6));
    } else {
      *request.mutable_create_request() = WatchCreate();
      request.mutable_create_request()->set_watch_id(OneIn(2) ? 0 : Number(6));
      request.mutable_create_request()->set_start_revision(OneIn(2) ? 0 : revision + 100);
    }
    if (OneIn(20)) {
      request.Clear();
    }
    script.push_back(std::move(request));
  }
  return script;
}

}  // namespace matricula::differential
