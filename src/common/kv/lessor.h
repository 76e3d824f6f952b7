#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace matricula::kv {

// When leases end: the memory of the one member that decides it (the leader). The leases
// themselves are replicated rows; ending one is a command like any other, so that every replica
// deletes the same keys at the same revision. Whoever becomes leader starts with every lease's
// full time to live, because it does not know of the last keep-alives.
//
// Any thread. Memory: about 100 bytes a lease.
class Lessor {
 public:
  // Leases given to be ended at once, at most; more wait for the next time.
  static constexpr size_t kMaxDue = 256;
  // A lease that was due, and is still there after this, is due again: its revocation got lost.
  static constexpr int64_t kRevokeAgainAfter_ms = 3'000;

  explicit Lessor(const base::Clock& clock) : clock_(clock) {}

  // Begins anew with these leases and their times to live, each of them in full.
  void Reset(const std::vector<std::pair<int64_t, int64_t>>& leases) EXCLUDES(mutex_);

  // The store has granted or ended a lease.
  void Granted(int64_t lease, int64_t ttl_s) EXCLUDES(mutex_);
  void Revoked(int64_t lease) EXCLUDES(mutex_);

  // Puts the end off by the whole time to live, which it returns. nullopt: no such lease, or it is
  // past its end and about to be revoked.
  std::optional<int64_t> KeepAlive(int64_t lease) EXCLUDES(mutex_);

  struct Remaining {
    int64_t remaining_s = 0;  // rounded down; negative past the end
    int64_t granted_s = 0;
  };
  std::optional<Remaining> Find(int64_t lease) const EXCLUDES(mutex_);

  // All leases, the one that ends first first.
  std::vector<int64_t> List() const EXCLUDES(mutex_);

  // The leases past their end; those given are not given again for a while.
  std::vector<int64_t> TakeDue() EXCLUDES(mutex_);
  // When the next lease will be due, on the clock's monotonic scale; nullopt: there is none.
  std::optional<int64_t> NextDueNs() const EXCLUDES(mutex_);

 private:
  struct Lease {
    int64_t ttl_s = 0;
    int64_t end_ns = 0;  // when it ends
    int64_t due_ns = 0;  // when to revoke it: its end, or later if that has been tried
  };

  void Schedule(int64_t id, Lease& lease, int64_t due_ns) REQUIRES(mutex_);
  void Grant(int64_t id, int64_t ttl_s) REQUIRES(mutex_);

  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::map<int64_t, Lease> leases_ GUARDED_BY(mutex_);
  std::set<std::pair<int64_t, int64_t>> by_due_ GUARDED_BY(mutex_);  // (due_ns, id)
};

}  // namespace matricula::kv
