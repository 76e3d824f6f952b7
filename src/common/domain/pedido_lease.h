#pragma once

#include <cstdint>
#include <vector>

#include "common/base/clock.h"
#include "common/base/done.h"
#include "common/base/mutex.h"
#include "common/store/store.h"

namespace matricula::domain {

// The lease under which request ids are remembered. One lease serves many ids, and for a while
// only, so that each id is remembered for at least a day and none for ever.
class PedidoLease {
 public:
  static constexpr int64_t kTtlSeconds = int64_t{25} * 3600;
  // Ids are remembered for kTtlSeconds less this.
  static constexpr int64_t kUseMs = int64_t{3600} * 1000;
  static constexpr int kMaxIds = 10'000;

  PedidoLease(store::Store& store, const base::Clock& clock) : store_(store), clock_(clock) {}

  // A lease for `ids` more ids; asks the store for a new one if need be (once for all who wait).
  void Get(int ids, base::Done<int64_t> done);
  // The store does not know this lease any more.
  void Forget(int64_t lease_id);

 private:
  struct Waiter {
    int ids;
    base::Done<int64_t> done;
  };

  void OnGranted(base::Result<etcdserverpb::LeaseGrantResponse> result, int64_t asked_ms);

  store::Store& store_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  int64_t lease_id_ GUARDED_BY(mutex_) = 0;
  int64_t usable_until_ms_ GUARDED_BY(mutex_) = 0;
  int ids_left_ GUARDED_BY(mutex_) = 0;
  bool asking_ GUARDED_BY(mutex_) = false;
  std::vector<Waiter> waiters_ GUARDED_BY(mutex_);
};

}  // namespace matricula::domain
