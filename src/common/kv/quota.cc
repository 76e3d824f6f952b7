#include "common/kv/quota.h"

#include <algorithm>

namespace matricula::kv {
namespace {

// What a change costs besides its key and value: rows' keys, revisions, the engine's own.
constexpr uint64_t kPutOverhead = 256;
constexpr uint64_t kLeaseCost = 64;

uint64_t PutCost(const etcdserverpb::PutRequest& put) {
  return kPutOverhead + put.key().size() + put.value().size();
}

template <class Operations>
uint64_t Sum(const Operations& operations) {
  uint64_t cost = 0;
  for (const auto& operation : operations) {
    if (operation.has_request_put()) cost += PutCost(operation.request_put());
    if (operation.has_request_txn()) cost += SpaceCost(operation.request_txn());
  }
  return cost;
}

}  // namespace

uint64_t SpaceCost(const etcdserverpb::TxnRequest& txn) {
  return std::max(Sum(txn.success()), Sum(txn.failure()));
}

uint64_t SpaceCost(const Command& command) {
  switch (command.request_case()) {
    case Command::kPut:
      return PutCost(command.put());
    case Command::kTxn:
      return SpaceCost(command.txn());
    case Command::kLeaseGrant:
      return kLeaseCost;
    default:
      return 0;
  }
}

}  // namespace matricula::kv
