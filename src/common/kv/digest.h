#pragma once

#include <cstdint>
#include <string_view>

#include "command.pb.h"
#include "common/kv/rows.h"

// Whether two replicas have the same state, told by three numbers that cost two short hashes a
// change: they are brought forward with every command, and kept in a row
// (kDigestRow) that is written in the batch of the state that they stand for.
//
//   chain   of everything that was ever applied, in its order: of each change what was there
//           before it, as found on this replica, and what is there now; of leases, alarms, members
//           and compactions what became of them; of each command its place and how it ended
//   sum     of what exists now: the hashes of all keys with their newest versions, and of all
//           leases, added up; whoever doubts the rows can count it again
//   since   the applied index from which on is counted; 0 in every store that was begun with it,
//           kNotYet in one that a version without digests has written: such a digest is compared
//           with nobody's. A cluster whose members were upgraded one by one begins to count at one
//           index, as soon as all of them have shown that they can (DigestMark.restart), so that
//           no alarm is raised that some member would not understand. Its sum is not that of all
//           rows then.
//
// Why it is sound. A command's effect is a function of the state and the command, and all of what
// goes in here is part of that effect: nothing of it depends on how commands were grouped, on what
// was cleaned up after a compaction, or on where a crash or a snapshot came in between (a snapshot
// carries the row along). So two replicas that have applied the same log have the same digest at
// every index: they never differ without a reason, which the simulator checks at every index of
// every run.
//
// What it finds: whatever one replica has ever applied differently, from that command on and for
// good; a row that was changed behind the store's back, as soon as its key is written again or
// anything that was computed from it is.
// What it does not find: older versions that only reads of the past see, the record of changes and
// the index of leases' keys, if they alone were changed on disk (HashKV reads the first two); a
// changed row whose key nobody touches; and what is wrong on all
// replicas alike. Rows that a disk damages are found by the checksums of their blocks.
namespace matricula::kv {

// 0 stands for what is not there. `value` is not the version's own: it is kept apart.
uint64_t HashOfKey(std::string_view key, const Version& version, std::string_view value);
uint64_t HashOfLease(int64_t lease, int64_t ttl_s);

// A key, lease or the like that hashed to `before` hashes to `after` from now on.
void Replace(Digest& digest, uint64_t before, uint64_t after);
// Something that is no part of the sum became `bytes`.
void Note(Digest& digest, std::string_view what, std::string_view bytes);
void Note(Digest& digest, std::string_view what, uint64_t number);

// Counts from `index` on.
inline void Restart(Digest& digest, uint64_t index) { digest = {0, 0, index}; }

// For messages; the digest after the command at `index`.
StateDigest ToMessage(const Digest& digest, uint64_t index);

}  // namespace matricula::kv
