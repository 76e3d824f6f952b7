#include "common/kv/lessor.h"

#include <algorithm>

namespace matricula::kv {

using base::MutexLock;

namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
// The longest that is granted. No sum with the clock of a machine up for less than seven years
// overflows.
constexpr int64_t kLongest_s = 9'000'000'000;

int64_t ToNs(int64_t ttl_s) { return std::min(ttl_s, kLongest_s) * kNsPerSecond; }

int64_t FloorSeconds(int64_t ns) {
  return ns >= 0 ? ns / kNsPerSecond : -((-ns + kNsPerSecond - 1) / kNsPerSecond);
}

}  // namespace

void Lessor::Reset(const std::vector<std::pair<int64_t, int64_t>>& leases) {
  const MutexLock lock(mutex_);
  leases_.clear();
  by_due_.clear();
  for (const auto& [lease, ttl_s] : leases) Grant(lease, ttl_s);
}

void Lessor::Granted(int64_t lease, int64_t ttl_s) {
  const MutexLock lock(mutex_);
  Grant(lease, ttl_s);
}

void Lessor::Grant(int64_t id, int64_t ttl_s) {
  Lease& lease = leases_[id];
  lease.ttl_s = ttl_s;
  lease.end_ns = clock_.MonotonicNs() + ToNs(ttl_s);
  Schedule(id, lease, lease.end_ns);
}

void Lessor::Schedule(int64_t id, Lease& lease, int64_t due_ns) {
  by_due_.erase({lease.due_ns, id});
  lease.due_ns = due_ns;
  by_due_.insert({due_ns, id});
}

void Lessor::Revoked(int64_t lease) {
  const MutexLock lock(mutex_);
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return;
  by_due_.erase({found->second.due_ns, lease});
  leases_.erase(found);
}

std::optional<int64_t> Lessor::KeepAlive(int64_t lease) {
  const MutexLock lock(mutex_);
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return std::nullopt;
  const int64_t now_ns = clock_.MonotonicNs();
  if (found->second.end_ns <= now_ns) return std::nullopt;
  found->second.end_ns = now_ns + ToNs(found->second.ttl_s);
  Schedule(lease, found->second, found->second.end_ns);
  return found->second.ttl_s;
}

std::optional<Lessor::Remaining> Lessor::Find(int64_t lease) const {
  const MutexLock lock(mutex_);
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return std::nullopt;
  const int64_t left_ns = found->second.end_ns - clock_.MonotonicNs();
  return Remaining{FloorSeconds(left_ns), found->second.ttl_s};
}

std::vector<int64_t> Lessor::List() const {
  const MutexLock lock(mutex_);
  std::vector<int64_t> ids;
  ids.reserve(by_due_.size());
  for (const auto& [due_ns, id] : by_due_) ids.push_back(id);
  return ids;
}

std::vector<int64_t> Lessor::TakeDue() {
  const MutexLock lock(mutex_);
  const int64_t now_ns = clock_.MonotonicNs();
  std::vector<int64_t> due;
  while (due.size() < kMaxDue && !by_due_.empty() && by_due_.begin()->first <= now_ns) {
    const int64_t id = by_due_.begin()->second;
    due.push_back(id);
    Schedule(id, leases_.at(id), now_ns + kRevokeAgainAfter_ms * 1'000'000);
  }
  return due;
}

std::optional<int64_t> Lessor::NextDueNs() const {
  const MutexLock lock(mutex_);
  if (by_due_.empty()) return std::nullopt;
  return by_due_.begin()->first;
}

}  // namespace matricula::kv
