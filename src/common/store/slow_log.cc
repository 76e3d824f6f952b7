#include "common/store/slow_log.h"

#include <algorithm>
#include <atomic>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/log_limit.h"
#include "common/base/work_times.h"

namespace matricula::store {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kIntervalMs = 1'000;

std::atomic<int64_t> slow_ns{INT64_MAX};

base::LogLimit& TheLimit() {
  static base::LogLimit limit(base::SystemClock(), kIntervalMs);
  return limit;
}

}  // namespace

void SetSlowRequestMs(int64_t slow_ms) { slow_ns = slow_ms > 0 ? slow_ms * kNsPerMs : INT64_MAX; }

void NoteRequest(kv::Command::RequestCase kind, int64_t start_ns) {
  const int64_t total_ns = base::SystemClock().MonotonicNs() - start_ns;
  if (total_ns < slow_ns.load(std::memory_order_relaxed)) return;
  const auto others = TheLimit().Admit();
  if (!others) return;
  const base::work_times::Sums taken = base::work_times::WhenTaken(start_ns);
  const base::work_times::Sums now = base::work_times::Now();
  const int64_t queue_ns = taken.at_ns - start_ns;
  const int64_t sync_ns = now.synced_ns - taken.synced_ns;
  const int64_t apply_ns = now.applied_ns - taken.applied_ns;
  const int64_t raft_ns = std::max<int64_t>(total_ns - queue_ns - sync_ns - apply_ns, 0);
  const auto* field = kv::Command::descriptor()->FindFieldByNumber(kind);
  base::log::Warning("store.slow_request", {{"kind", field == nullptr ? "?" : field->name()},
                                            {"ms", total_ns / kNsPerMs},
                                            {"queue_ms", queue_ns / kNsPerMs},
                                            {"raft_ms", raft_ns / kNsPerMs},
                                            {"sync_ms", sync_ns / kNsPerMs},
                                            {"apply_ms", apply_ns / kNsPerMs},
                                            {"others", *others}});
}

}  // namespace matricula::store
