#include "roles/ops/store_probe.h"

#include <chrono>
#include <thread>

namespace matricula::roles {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr std::chrono::milliseconds kPoll{10};
// Any key will do; this one is read all the time.
constexpr char kKey[] = "mudanca";

}  // namespace

StoreProbe::StoreProbe(store::Store& store, const base::Clock& clock)
    : store_(store), clock_(clock), state_(std::make_shared<State>()) {}

void StoreProbe::Ask() {
  if (state_->asking.exchange(true)) return;
  etcdserverpb::RangeRequest request;
  request.set_key(kKey);
  request.set_count_only(true);
  store_.Range(request, [state = state_, &clock = clock_](const auto& response) {
    if (response.ok()) state->answered_ns = clock.MonotonicNs();
    state->asking = false;
  });
}

void StoreProbe::Await(int64_t patience_ms) {
  const int64_t deadline_ns = clock_.MonotonicNs() + patience_ms * kNsPerMs;
  while (!Objection().empty() && clock_.MonotonicNs() < deadline_ns) {
    Ask();
    std::this_thread::sleep_for(kPoll);
  }
}

std::string StoreProbe::Objection() const {
  const int64_t age_ns = clock_.MonotonicNs() - state_->answered_ns;
  return age_ns <= kPatienceMs * kNsPerMs ? "" : "the store does not answer";
}

}  // namespace matricula::roles
