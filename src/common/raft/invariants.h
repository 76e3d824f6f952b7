#pragma once

#include "common/raft/machine.h"

// What must hold after every input, whatever came before. Anything else is a bug of ours, and ends
// the process before it can spread.
namespace matricula::raft {

// Constant time; always on. `before`: term, vote and commit index when this was called last.
void CheckCheaply(const Machine& machine, const HardState& before);

// Also walks through peers and the log; on with Config::check_thoroughly.
void CheckThoroughly(const Machine& machine);

}  // namespace matricula::raft
