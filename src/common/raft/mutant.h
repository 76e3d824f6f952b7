#pragma once

// Deliberate bugs, to measure the tests by: a build with MATRICULA_MUTANT=n has bug n and no other.
// A suite that passes with one of them is too weak. 0, the default, is the correct program; there
// MutantIs(n) is a constant false, and the compiler removes every trace.
//
//   core (common/raft)
//    1  a vote is granted without being recorded
//    2  an entry of an earlier term is committed by counting (figure 3.7)
//    3  a read is confirmed before this term has committed an entry
//    4  an append truncates the log even where the entries match
//    5  a removed member still counts in the majority
//    6  a learner counts in the majority
//    7  the leader counts its own entries before its disk has them
//    8  a pre-vote is granted to any log
//    9  a vote is granted to any log
//   10  two configuration changes at once
//   11  an acknowledgement leaves before the entries are durable
//   12  a snapshot older than what is committed is installed
//   13  a vote is given although a leader is alive (the lease is ignored)
//   14  the number of a heartbeat round is used again, so that an old answer confirms a new read
//   15  a heartbeat tells a follower a commit index beyond what it is known to have
//   16  an append that does not fit commits what stands in its place
//   17  joint consensus is decided by the new half alone
//   18  a node votes twice in one term
//   19  a vote request leaves before the candidate's own vote is durable
//   20  a report that an overwritten entry is durable counts for the entry that replaced it
//   21  a truncated configuration stays in force
//   22  a configuration change is taken before this term has committed an entry
//   23  a leader goes on without its quorum (check-quorum never steps down)
//   24  a forwarded proposal that arrives twice is appended twice
//   25  whoever is not asked to confirm a read counts as if he had answered
//
//   50 and up are the shell's (common/replication)
#ifndef MATRICULA_MUTANT
#define MATRICULA_MUTANT 0
#endif

namespace matricula::raft {

constexpr bool MutantIs(int number) { return MATRICULA_MUTANT == number; }

}  // namespace matricula::raft
