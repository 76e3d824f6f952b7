#include "common/kv/operations.h"

#include "common/kv/compare.h"
#include "common/kv/errors.h"
#include "common/kv/range.h"

namespace matricula::kv {
namespace {

using base::Status;
using etcdserverpb::DeleteRangeRequest;
using etcdserverpb::DeleteRangeResponse;
using etcdserverpb::PutRequest;
using etcdserverpb::PutResponse;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::RequestOp;
using etcdserverpb::ResponseOp;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// One transaction with the branches it takes; the work of it in three passes.
class TxnRun {
 public:
  TxnRun(storage::Engine& engine, Pending& pending, int64_t compacted_revision,
         std::vector<bool> branches)
      : engine_(engine),
        pending_(pending),
        compacted_revision_(compacted_revision),
        branches_(std::move(branches)) {}

  // First what puts need, then what ranges need; nothing is done before all of it holds.
  Status Check(const TxnRequest& txn) {
    const auto check_put = [this](const RequestOp& operation) {
      if (!operation.has_request_put()) return Status();
      const Status status = CheckPutKey(pending_, operation.request_put());
      return status.ok() ? CheckPutLease(pending_, operation.request_put()) : status;
    };
    const auto check_range = [this](const RequestOp& operation) {
      if (!operation.has_request_range()) return Status();
      const int64_t revision = operation.request_range().revision();
      reads_group_ |= revision > pending_.flushed_revision();
      return CheckRevisionInTxn(revision, pending_.revision(), compacted_revision_);
    };
    RETURN_IF_ERROR(ForEachTaken(txn, check_put));
    return ForEachTaken(txn, check_range);
  }

  void Execute(const TxnRequest& txn, TxnResponse& response) {
    // A range at a revision that this group has made reads rows that are not in the engine yet.
    if (reads_group_) pending_.Flush();
    next_branch_ = 0;
    ExecuteBranch(txn, response);
  }

 private:
  const auto& TakeBranch(const TxnRequest& txn) {
    return branches_[next_branch_++] ? txn.success() : txn.failure();
  }

  template <class Check>
  Status ForEachTaken(const TxnRequest& txn, const Check& check) {
    next_branch_ = 0;
    return ForEachInBranch(txn, check);
  }

  template <class Check>
  Status ForEachInBranch(const TxnRequest& txn, const Check& check) {
    for (const RequestOp& operation : TakeBranch(txn)) {
      RETURN_IF_ERROR(operation.has_request_txn() ? ForEachInBranch(operation.request_txn(), check)
                                                  : check(operation));
    }
    return {};
  }

  void ExecuteBranch(const TxnRequest& txn, TxnResponse& response) {
    response.set_succeeded(branches_[next_branch_]);
    const auto& operations = TakeBranch(txn);
    response.mutable_responses()->Reserve(operations.size());
    for (const RequestOp& operation : operations) {
      ExecuteOperation(operation, *response.add_responses());
    }
  }

  void ExecuteOperation(const RequestOp& operation, ResponseOp& response) {
    switch (operation.request_case()) {
      case RequestOp::kRequestRange:
        return ExecuteRange(operation.request_range(), *response.mutable_response_range());
      case RequestOp::kRequestPut:
        return ExecutePut(pending_, operation.request_put(), *response.mutable_response_put());
      case RequestOp::kRequestDeleteRange:
        return ExecuteDelete(pending_, operation.request_delete_range(),
                             *response.mutable_response_delete_range());
      case RequestOp::kRequestTxn: {
        TxnResponse& inner = *response.mutable_response_txn();
        inner.mutable_header();  // there, but empty
        return ExecuteBranch(operation.request_txn(), inner);
      }
      case RequestOp::REQUEST_NOT_SET:
        return;
    }
  }

  // Without a revision it sees what the transaction has written so far.
  void ExecuteRange(const RangeRequest& request, RangeResponse& response) {
    response.mutable_header()->set_revision(pending_.revision_so_far());
    if (request.revision() <= 0) {
      return Keep(RunRange(pending_, request, response));
    }
    EngineView view(engine_, request.revision());
    Keep(RunRange(view, request, response));
  }

  void Keep(const Status& status) { pending_.Keep(status); }

  storage::Engine& engine_;
  Pending& pending_;
  const int64_t compacted_revision_;
  const std::vector<bool> branches_;
  size_t next_branch_ = 0;
  bool reads_group_ = false;
};

}  // namespace

Status CheckPutKey(Pending& pending, const PutRequest& request) {
  if (!request.ignore_value() && !request.ignore_lease()) return {};
  return pending.Load(request.key()).second.exists() ? Status() : errors::KeyNotFound();
}

Status CheckPutLease(Pending& pending, const PutRequest& request) {
  if (request.lease() == 0 || pending.FindLease(request.lease())) return {};
  return errors::LeaseNotFound();
}

void ExecutePut(Pending& pending, const PutRequest& request, PutResponse& response) {
  Pending::Entry& entry = pending.Load(request.key());
  const KeyState& state = entry.second;
  if (request.prev_kv() && state.exists()) {
    FillKeyValue(entry.first, state.View(), *response.mutable_prev_kv());
  }
  pending.Put(entry, request.ignore_value() ? state.value : request.value(),
              request.ignore_lease() ? state.version.lease : request.lease());
  response.mutable_header()->set_revision(pending.next_revision());
}

void ExecuteDelete(Pending& pending, const DeleteRangeRequest& request,
                   DeleteRangeResponse& response) {
  for (Pending::Entry* entry : pending.LoadRange({request.key(), request.range_end()})) {
    if (request.prev_kv()) {
      FillKeyValue(entry->first, entry->second.View(), *response.add_prev_kvs());
    }
    pending.Delete(*entry);
    response.set_deleted(response.deleted() + 1);
  }
  response.mutable_header()->set_revision(pending.revision_so_far());
}

Status ExecuteTxn(storage::Engine& engine, Pending& pending, int64_t compacted_revision,
                  const TxnRequest& txn, TxnResponse& response) {
  auto branches = ChooseBranches(pending, txn);
  if (!branches.ok()) return branches.status();
  TxnRun run(engine, pending, compacted_revision, std::move(branches).value());
  RETURN_IF_ERROR(run.Check(txn));
  run.Execute(txn, response);
  response.mutable_header()->set_revision(pending.revision_so_far());
  return {};
}

}  // namespace matricula::kv
