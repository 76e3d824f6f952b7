#pragma once

#include "common/raft/mutant.h"

// The store's share of the deliberate bugs that raft/mutant.h explains:
//
//   70  the digest takes a key that its group has changed before for a new one
//   71  a key that its group has changed before keeps its count of changes
namespace matricula::kv {

using raft::MutantIs;

}  // namespace matricula::kv
