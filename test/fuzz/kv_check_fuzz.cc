// deps: matricula_kv
// Any request that a client may send: the checks of arguments end, agree with each other, and say
// nothing but etcd's words.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/ensure.h"
#include "common/kv/check.h"
#include "common/kv/quota.h"

namespace {

using matricula::base::Code;
using matricula::base::Status;
using matricula::kv::Command;

// Larger inputs find nothing that smaller ones do not, only slower.
constexpr size_t kMaxBytes = 64 << 10;

void CheckVerdict(const Status& status) {
  if (status.ok()) return;
  ENSURE(status.code() == Code::kInvalidArgument, "arguments are right or wrong");
  ENSURE(status.message().starts_with("etcdserver: "), "clients know errors by etcd's words");
}

void CheckTransaction(const etcdserverpb::TxnRequest& txn) {
  using namespace matricula::kv;
  const Status status = CheckTxn(txn);
  CheckVerdict(status);
  ENSURE(CheckTxn(txn).message() == status.message(), "the same request, the same verdict");
  if (IsSerializable(txn)) ENSURE(IsReadOnly(txn), "only reads can be serializable");
  if (IsReadOnly(txn)) ENSURE(SpaceCost(txn) == 0, "reads cost no space");
  // A transaction that is right stays right inside of another one that has room for it.
  etcdserverpb::TxnRequest outer;
  *outer.add_success()->mutable_request_txn() = txn;
  if (CheckTxn(txn, kMaxTxnOperations - 1).ok()) {
    ENSURE(CheckTxn(outer).ok(), "nesting alone makes nothing wrong");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kMaxBytes) return 0;
  Command command;
  if (!command.ParseFromArray(data, static_cast<int>(size))) return 0;
  CheckVerdict(matricula::kv::CheckSize(command));
  (void)matricula::kv::SpaceCost(command);
  if (command.has_put()) CheckVerdict(matricula::kv::CheckPut(command.put()));
  if (command.has_delete_range())
    CheckVerdict(matricula::kv::CheckDeleteRange(command.delete_range()));
  if (command.has_txn()) CheckTransaction(command.txn());
  // The same bytes as a range, which no command is.
  etcdserverpb::RangeRequest range;
  if (range.ParseFromArray(data, static_cast<int>(size))) {
    CheckVerdict(matricula::kv::CheckRange(range));
  }
  return 0;
}
