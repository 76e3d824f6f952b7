#include "common/kv/compare.h"

namespace matricula::kv {
namespace {

using base::Result;
using base::Status;
using etcdserverpb::Compare;
using etcdserverpb::TxnRequest;

int Order(int64_t left, int64_t right) { return left < right ? -1 : left > right ? 1 : 0; }

// How the target of `version` stands to the one given. A target that is missing, or given as the
// value of another, counts as zero or empty.
int OrderOfTarget(const Compare& compare, const Version& version) {
  switch (compare.target()) {
    case Compare::VALUE:
      return version.value.compare(compare.value());
    case Compare::CREATE:
      return Order(version.create, compare.create_revision());
    case Compare::MOD:
      return Order(version.mod.main, compare.mod_revision());
    case Compare::VERSION:
      return Order(version.version, compare.version());
    case Compare::LEASE:
      return Order(version.lease, compare.lease());
    default:
      return 0;
  }
}

bool Holds(const Compare& compare, const Version& version) {
  const int order = OrderOfTarget(compare, version);
  switch (compare.result()) {
    case Compare::EQUAL:
      return order == 0;
    case Compare::NOT_EQUAL:
      return order != 0;
    case Compare::GREATER:
      return order > 0;
    case Compare::LESS:
      return order < 0;
    default:
      return true;
  }
}

// No key there: everything counts as zero, but there is no value to compare with.
bool HoldsForNone(const Compare& compare) {
  return compare.target() != Compare::VALUE && Holds(compare, Version{});
}

Result<bool> HoldsForOne(View& view, const Compare& compare) {
  const auto found = view.Find(compare.key());
  if (!found.ok()) return found.status();
  return *found ? Holds(compare, **found) : HoldsForNone(compare);
}

Result<bool> HoldsForAll(View& view, const Compare& compare) {
  bool any = false;
  bool all = true;
  const KeyRange range(compare.key(), compare.range_end());
  const Status status = view.Scan(range, [&](std::string_view, const Version& version) {
    any = true;
    return all = Holds(compare, version);
  });
  if (!status.ok()) return status;
  return any ? all : HoldsForNone(compare);
}

Result<bool> AllHold(View& view, const TxnRequest& txn) {
  for (const Compare& compare : txn.compare()) {
    auto holds =
        compare.range_end().empty() ? HoldsForOne(view, compare) : HoldsForAll(view, compare);
    if (!holds.ok() || !*holds) return holds;
  }
  return true;
}

Status Choose(View& view, const TxnRequest& txn, std::vector<bool>& branches) {
  const auto succeeded = AllHold(view, txn);
  if (!succeeded.ok()) return succeeded.status();
  branches.push_back(*succeeded);
  for (const auto& operation : *succeeded ? txn.success() : txn.failure()) {
    if (!operation.has_request_txn()) continue;
    RETURN_IF_ERROR(Choose(view, operation.request_txn(), branches));
  }
  return {};
}

}  // namespace

Result<std::vector<bool>> ChooseBranches(View& view, const TxnRequest& txn) {
  std::vector<bool> branches;
  Status status = Choose(view, txn, branches);
  if (!status.ok()) return status;
  return branches;
}

}  // namespace matricula::kv
