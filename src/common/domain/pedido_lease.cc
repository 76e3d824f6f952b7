#include "common/domain/pedido_lease.h"

#include <utility>

namespace matricula::domain {

void PedidoLease::Get(int ids, base::Done<int64_t> done) {
  const int64_t now_ms = clock_.MonotonicMs();
  int64_t lease_id = 0;
  {
    base::MutexLock lock(mutex_);
    if (lease_id_ != 0 && now_ms < usable_until_ms_ && ids_left_ >= ids) {
      ids_left_ -= ids;
      lease_id = lease_id_;
    } else {
      waiters_.push_back({ids, std::move(done)});
      if (asking_) return;
      asking_ = true;
    }
  }
  if (lease_id != 0) {
    std::move(done)(lease_id);  // NOLINT(bugprone-use-after-move): only moved if it has to wait
    return;
  }
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(kTtlSeconds);
  // Its time is counted from before it was asked for: the store's count can only end later.
  store_.LeaseGrant(request, [this, now_ms](base::Result<etcdserverpb::LeaseGrantResponse> result) {
    OnGranted(std::move(result), now_ms);
  });
}

void PedidoLease::OnGranted(base::Result<etcdserverpb::LeaseGrantResponse> result,
                            int64_t asked_ms) {
  std::vector<Waiter> waiters;
  {
    base::MutexLock lock(mutex_);
    asking_ = false;
    waiters.swap(waiters_);
    if (result.ok()) {
      lease_id_ = result->id();
      usable_until_ms_ = asked_ms + kUseMs;
      ids_left_ = kMaxIds;
      // Whoever waited is served whatever the number: they are bounded by the requests under way.
      for (const Waiter& waiter : waiters) ids_left_ -= waiter.ids;
    }
  }
  for (Waiter& waiter : waiters) {
    if (result.ok()) {
      std::move(waiter.done)(result->id());
    } else {
      std::move(waiter.done)(result.status());
    }
  }
}

void PedidoLease::Forget(int64_t lease_id) {
  base::MutexLock lock(mutex_);
  if (lease_id_ == lease_id) lease_id_ = 0;
}

}  // namespace matricula::domain
