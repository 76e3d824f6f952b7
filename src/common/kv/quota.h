#pragma once

#include <cstdint>

#include "command.pb.h"

namespace matricula::kv {

// How many bytes a command may add to the store, roughly and on the safe side; 0 for commands that
// add nothing. Of a transaction's branches, the dearer counts.
uint64_t SpaceCost(const Command& command);
uint64_t SpaceCost(const etcdserverpb::TxnRequest& txn);

}  // namespace matricula::kv
