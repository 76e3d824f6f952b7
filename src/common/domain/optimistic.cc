#include "common/domain/optimistic.h"

#include <algorithm>
#include <utility>

#include "common/domain/rules.h"

namespace matricula::domain {

using base::Result;
using etcdserverpb::TxnRequest;

base::Status ContentionStatus() {
  return {base::Code::kUnavailable, "others changed the same records again and again; try later"};
}

Task<Result<project::Status>> RunOptimistic(Transactor& transactor, OptimisticWrite write) {
  TxnRequest look;
  write.add_reads(look.mutable_success());
  auto looked = co_await transactor.Read(std::move(look));
  if (!looked.ok()) co_return looked.status();
  etcdserverpb::TxnResponse response = std::move(*looked);
  int first = 0;
  for (int losses = 0; losses < kMaxLosses; ++losses) {
    auto judged = write.judge(response, first);
    if (!judged.ok()) co_return judged.status();
    if (*judged) co_return std::move(**judged);
    const bool touch = losses >= kLossesBeforeTouch && !write.contended_key.empty();
    if (losses > 0 && !touch) co_await transactor.Pause(0, 2);
    Write attempt;
    attempt.pedidos = write.pedidos;
    attempt.build = [&write, touch](int64_t lease_id) {
      TxnRequest txn = write.build(lease_id);
      if (touch) AddTouch(txn.mutable_failure(), write.contended_key);
      write.add_reads(txn.mutable_failure());
      return txn;
    };
    auto outcome = co_await transactor.Commit(std::move(attempt));
    if (!outcome.ok()) co_return outcome.status();
    if (outcome->applied) co_return Feito();
    response = std::move(outcome->response);
    first = touch ? 1 : 0;
  }
  co_return ContentionStatus();
}

}  // namespace matricula::domain
