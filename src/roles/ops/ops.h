#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "roles/ops/call_meter.h"
#include "roles/ops/http_port.h"
#include "roles/ops/notifier.h"
#include "roles/ops/vigil.h"
#include "roles/settings.h"

namespace matricula::roles {

// What an operator and his machines see of the process: /metrics, /livez and /readyz on the port
// of --metrics-listen (if there is one), and what the service manager hears.
//
// The parts of the process say how they are through functions, which are called on other threads
// until Forget has returned.
class Ops {
 public:
  using Collector = std::function<void(Sheet&)>;
  // Why a part cannot serve at the moment; "": it can.
  using Objection = std::function<std::string()>;

  // How long the service manager waits for a process that serves, but not usefully yet (without a
  // majority of the replicas, say): who starts three machines one after the other must not hang on
  // the first.
  static constexpr int64_t kReadyPatienceMs = 10'000;

  Ops(const Settings& settings, const base::Clock& clock,
      const std::map<std::string, std::string>& environment);
  ~Ops();

  // Unavailable: the address is taken.
  base::Status Start();
  rpc::CallObserver& observer() { return call_meter_; }

  void Measure(Collector collector) EXCLUDES(mutex_);
  // One more part that must be well for the process to be ready.
  void Require(std::string part, Objection objection) EXCLUDES(mutex_);

  // One more trouble with which the process is ready all the same: the service manager is told.
  void Mention(Objection trouble) EXCLUDES(mutex_);

  Vigil& vigil() { return vigil_; }

  // All parts are there. Until then, and from Drain on, the process is not ready. `on_turn` is
  // called about every second from now on until Drain.
  void Serving(std::function<void()> on_turn) EXCLUDES(mutex_);
  // The stop takes no longer than `timeout_ms`.
  void Drain(int64_t timeout_ms) EXCLUDES(turn_mutex_) EXCLUDES(mutex_);
  // No part is asked any more.
  void Forget() EXCLUDES(mutex_);

 private:
  enum class Phase { kStarting, kServing, kDraining };

  void OnTurn() EXCLUDES(turn_mutex_) EXCLUDES(mutex_);
  std::string Trouble() EXCLUDES(mutex_);
  std::string Remarks() EXCLUDES(mutex_);
  HttpPort::Answer Handle(std::string_view path) EXCLUDES(mutex_);
  HttpPort::Answer Metrics() EXCLUDES(mutex_);
  HttpPort::Answer Ready() EXCLUDES(mutex_);

  const Settings& settings_;
  const base::Clock& clock_;
  const int64_t start_wall_ms_;
  Notifier notifier_;
  Vigil vigil_;
  CallMeter call_meter_;
  // Held while a turn is under way.
  base::Mutex turn_mutex_;
  bool draining_ GUARDED_BY(turn_mutex_) = false;
  // Of the vigil's thread.
  std::function<void()> on_turn_;
  int64_t ready_by_ns_ = 0;
  bool told_ready_ = false;
  std::string told_status_;

  base::Mutex mutex_;
  Phase phase_ GUARDED_BY(mutex_) = Phase::kStarting;
  std::vector<Collector> collectors_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, Objection>> objections_ GUARDED_BY(mutex_);
  std::vector<Objection> mentions_ GUARDED_BY(mutex_);
  std::unique_ptr<HttpPort> port_;
};

}  // namespace matricula::roles
