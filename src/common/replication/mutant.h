#pragma once

#include "common/raft/mutant.h"

// The shell's share of the deliberate bugs that raft/mutant.h explains:
//
//   50  the applied index is saved apart from the data it stands for
//   51  an acknowledgement leaves before the log is synced
//   52  a snapshot leaves one table of the state machine out
//   53  a log that becomes shorter is not described anew
//   54  the hard state is not written when there are entries
//   55  a snapshot is installed without its configuration
//   56  recovery believes an entry whose checksum is wrong
//   57  a read is answered before its index has been applied
//   58  a write of the log is not synced
//   59  the log is compacted beyond what the state machine has made durable
//   60  a proposal is called lost as soon as leadership is, although it may still commit
//   61  a proposal is answered when it is appended, not when it is applied
//   62  a write error on the log is passed over
//   63  the incarnation stays the same after a restart
//   64  a restart forgets that an installation was under way
//   65  a snapshot is installed and the log keeps its old entries
//   66  the state machine applies again what it had applied before the restart
//   67  a snapshot's damage is not noticed
namespace matricula::replication {

using raft::MutantIs;

}  // namespace matricula::replication
