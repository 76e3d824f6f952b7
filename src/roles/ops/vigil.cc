#include "roles/ops/vigil.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/base/heartbeat.h"
#include "common/base/log.h"

namespace matricula::roles {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kLeastPatienceMs = 2 * base::Heartbeat::kIntervalMs;

}  // namespace

// So a loop that hangs costs one and a half times what the service manager has asked for.
Vigil::Vigil(Notifier& notifier, const base::Clock& clock)
    : notifier_(notifier),
      clock_(clock),
      patience_ms_(notifier.watchdog_ms() > 0
                       ? std::max(notifier.watchdog_ms() / 2, kLeastPatienceMs)
                       : kPatienceMs),
      turn_ms_(notifier.watchdog_ms() > 0 ? std::min(kTurnMs, notifier.watchdog_ms() / 4)
                                          : kTurnMs) {}

Vigil::~Vigil() { Stop(); }

void Vigil::Watch(std::string part, Pulse pulse) {
  parts_.push_back({std::move(part), std::move(pulse)});
}

void Vigil::OnTurn(std::function<void()> task) { on_turn_ = std::move(task); }

void Vigil::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Vigil::Stop() {
  {
    const base::MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

std::string Vigil::Hanging() const {
  const base::MutexLock lock(mutex_);
  return hanging_;
}

void Vigil::Run() {
  while (true) {
    Look();
    if (on_turn_) on_turn_();
    const base::MutexLock lock(mutex_);
    if (!stopping_) wake_.WaitFor(mutex_, std::chrono::milliseconds(turn_ms_));
    if (stopping_) return;
  }
}

void Vigil::Look() {
  std::vector<base::Heartbeat::Pulse> pulses = base::Heartbeat::Pulses();
  for (const Part& part : parts_) pulses.push_back({part.name, part.pulse()});
  const int64_t oldest_ns = clock_.MonotonicNs() - patience_ms_ * kNsPerMs;
  std::string hanging;
  for (const auto& [part, last_ns] : pulses) {
    if (last_ns < oldest_ns) hanging += hanging.empty() ? part : ", " + part;
  }
  if (hanging.empty()) notifier_.Alive();
  if (hanging != told_) {
    if (hanging.empty()) {
      base::log::Info("watchdog.all_turn_again");
    } else {
      base::log::Error("watchdog.hangs", {{"parts", hanging}, {"patience_ms", patience_ms_}});
    }
    told_ = hanging;
  }
  const base::MutexLock lock(mutex_);
  hanging_ = std::move(hanging);
}

}  // namespace matricula::roles
