#pragma once

#include <span>
#include <vector>

#include "common/kv/lessor.h"
#include "common/kv/mvcc.h"

namespace matricula::store {

// Applies groups of log entries to a replica's state: the store itself, and what follows from it
// in memory. One thread at a time.
class Applier {
 public:
  Applier(kv::Mvcc& mvcc, kv::Lessor& lessor) : mvcc_(mvcc), lessor_(lessor) {}

  // One outcome per entry; see Mvcc::Apply, also for what an error means.
  base::Result<std::vector<kv::Outcome>> Apply(std::span<const kv::LogCommand> group,
                                               storage::Durability durability);

  // What follows from one command outside the store.
  static void Follow(const kv::Command& command, const kv::Outcome& outcome, kv::Lessor& lessor);

 private:
  kv::Mvcc& mvcc_;
  kv::Lessor& lessor_;
};

}  // namespace matricula::store
