#include "common/kv/check.h"

#include <algorithm>
#include <set>
#include <string>

#include "common/kv/errors.h"
#include "common/kv/interval_set.h"

namespace matricula::kv {
namespace {

using base::Status;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;
using Operations = google::protobuf::RepeatedPtrField<RequestOp>;

// ---- number and arguments of operations ----

Status CheckOperations(const TxnRequest& request, int max_operations);

Status CheckOperation(const RequestOp& operation, int max_operations) {
  switch (operation.request_case()) {
    case RequestOp::kRequestRange:
      return CheckRange(operation.request_range());
    case RequestOp::kRequestPut:
      return CheckPut(operation.request_put());
    case RequestOp::kRequestDeleteRange:
      return CheckDeleteRange(operation.request_delete_range());
    case RequestOp::kRequestTxn:
      return CheckOperations(operation.request_txn(), max_operations);
    case RequestOp::REQUEST_NOT_SET:
      break;
  }
  return errors::KeyNotFound();
}

Status CheckOperations(const TxnRequest& request, int max_operations) {
  const int operations =
      std::max({request.compare_size(), request.success_size(), request.failure_size()});
  if (operations > max_operations) return errors::TooManyOperations();
  for (const auto& compare : request.compare()) {
    if (compare.key().empty()) return errors::EmptyKey();
  }
  const int left_over = max_operations - operations;
  for (const RequestOp& operation : request.success()) {
    RETURN_IF_ERROR(CheckOperation(operation, left_over));
  }
  for (const RequestOp& operation : request.failure()) {
    RETURN_IF_ERROR(CheckOperation(operation, left_over));
  }
  return {};
}

// ---- no key twice ----

using Keys = std::set<std::string_view>;

// What one branch, with all that is nested in it, may write. Two deletions may overlap; a put may
// not meet another put or a deletion, except that the two branches of a nested transaction
// exclude each other. Nested ones are taken in their order, each compared with what the ones
// before it delete: that is the rule etcd's clients know.
class BranchWrites {
 public:
  Status Collect(const Operations& operations) {
    for (const RequestOp& operation : operations) {
      if (operation.has_request_delete_range()) {
        deletions_.Add(operation.request_delete_range().key(),
                       operation.request_delete_range().range_end());
      }
    }
    for (const RequestOp& operation : operations) {
      if (operation.has_request_txn()) RETURN_IF_ERROR(CollectNested(operation.request_txn()));
    }
    for (const RequestOp& operation : operations) {
      if (operation.has_request_put()) RETURN_IF_ERROR(AddPut(operation.request_put().key()));
    }
    return {};
  }

 private:
  Status AddPut(std::string_view key) {
    const bool is_new = !deletions_.Contains(key) && puts_.insert(key).second;
    return is_new ? Status() : errors::DuplicateKey();
  }

  Status CollectNested(const TxnRequest& txn) {
    BranchWrites success;
    RETURN_IF_ERROR(success.Collect(txn.success()));
    BranchWrites failure;
    RETURN_IF_ERROR(failure.Collect(txn.failure()));
    for (const std::string_view key : success.puts_) RETURN_IF_ERROR(AddPut(key));
    for (const std::string_view key : failure.puts_) {
      if (!success.puts_.contains(key)) RETURN_IF_ERROR(AddPut(key));
    }
    deletions_.AddAll(success.deletions_);
    deletions_.AddAll(failure.deletions_);
    return {};
  }

  Keys puts_;
  IntervalSet deletions_;
};

Status CheckDuplicates(const Operations& operations) { return BranchWrites().Collect(operations); }

bool AllRanges(const Operations& operations) {
  return std::all_of(operations.begin(), operations.end(),
                     [](const RequestOp& operation) { return operation.has_request_range(); });
}

bool AllSerializable(const Operations& operations) {
  return std::all_of(operations.begin(), operations.end(), [](const RequestOp& operation) {
    return operation.has_request_range() && operation.request_range().serializable();
  });
}

}  // namespace

Status CheckRange(const etcdserverpb::RangeRequest& request) {
  if (request.key().empty()) return errors::EmptyKey();
  if (!etcdserverpb::RangeRequest::SortTarget_IsValid(request.sort_target())) {
    return errors::InvalidSortOption();
  }
  return {};
}

Status CheckPut(const etcdserverpb::PutRequest& request) {
  if (request.key().empty()) return errors::EmptyKey();
  if (request.ignore_value() && !request.value().empty()) return errors::ValueProvided();
  if (request.ignore_lease() && request.lease() != 0) return errors::LeaseProvided();
  return {};
}

Status CheckDeleteRange(const etcdserverpb::DeleteRangeRequest& request) {
  return request.key().empty() ? errors::EmptyKey() : Status();
}

Status CheckTxn(const TxnRequest& request, int max_operations) {
  RETURN_IF_ERROR(CheckOperations(request, max_operations));
  RETURN_IF_ERROR(CheckDuplicates(request.success()));
  return CheckDuplicates(request.failure());
}

Status CheckSize(const Command& command) {
  return command.ByteSizeLong() > kMaxCommandBytes ? errors::RequestTooLarge() : Status();
}

bool IsReadOnly(const TxnRequest& request) {
  return AllRanges(request.success()) && AllRanges(request.failure());
}

bool IsSerializable(const TxnRequest& request) {
  return AllSerializable(request.success()) && AllSerializable(request.failure());
}

}  // namespace matricula::kv
