#pragma once

#include <absl/functional/any_invocable.h>

#include <optional>
#include <string>

#include "common/domain/commit.h"
#include "common/domain/txn.h"
#include "matricula.pb.h"

namespace matricula::domain {

// A write whose compares come from what has been read: it is read, judged and written, and if
// somebody else was quicker, read (in the failed transaction itself), judged and written again.
struct OptimisticWrite {
  using Judgement = base::Result<std::optional<project::Status>>;

  // Adds the reads; the same ones each time.
  absl::AnyInvocable<void(Operations* operations)> add_reads;
  // Looks at their answers, which begin at `first`, and keeps what `build` will need. An answer
  // ends the operation; nothing means: write.
  absl::AnyInvocable<Judgement(const etcdserverpb::TxnResponse& response, int first)> judge;
  // The compares and the success branch, according to what was judged last.
  absl::AnyInvocable<etcdserverpb::TxnRequest(int64_t lease_id)> build;
  int pedidos = 0;
  // A key among the compares that others may change all the time (empty: there is none). It is
  // touched after some losses, so that they lose too, and wait while this write tries again.
  std::string contended_key;
};

// Status 0 once it is written, or what `judge` answered. Unavailable: lost kMaxLosses times.
Task<base::Result<project::Status>> RunOptimistic(Transactor& transactor, OptimisticWrite write);

// Losses of one write before it makes others lose, and before it gives up.
inline constexpr int kLossesBeforeTouch = 2;
inline constexpr int kMaxLosses = 60;

base::Status ContentionStatus();

}  // namespace matricula::domain
