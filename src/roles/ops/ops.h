#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "roles/ops/call_meter.h"
#include "roles/ops/http_port.h"
#include "roles/settings.h"

namespace matricula::roles {

// What an operator and his machines see of the process: /metrics, /livez and /readyz on the port
// of --metrics-listen (if there is one).
//
// The parts of the process say how they are through functions, which are called on other threads
// until Forget has returned.
class Ops {
 public:
  using Collector = std::function<void(Sheet&)>;
  // Why a part cannot serve at the moment; "": it can.
  using Objection = std::function<std::string()>;

  explicit Ops(const Settings& settings) : settings_(settings) {}
  ~Ops();

  // Unavailable: the address is taken.
  base::Status Start();
  rpc::CallObserver& observer() { return call_meter_; }

  void Measure(Collector collector) EXCLUDES(mutex_);
  // One more part that must be well for the process to be ready.
  void Require(std::string part, Objection objection) EXCLUDES(mutex_);

  // All parts are there. Until then, and from Drain on, the process is not ready.
  void Serving() EXCLUDES(mutex_);
  void Drain() EXCLUDES(mutex_);
  // No part is asked any more.
  void Forget() EXCLUDES(mutex_);

 private:
  enum class Phase { kStarting, kServing, kDraining };

  HttpPort::Answer Handle(std::string_view path) EXCLUDES(mutex_);
  HttpPort::Answer Metrics() EXCLUDES(mutex_);
  HttpPort::Answer Ready() EXCLUDES(mutex_);

  const Settings& settings_;
  CallMeter call_meter_;
  base::Mutex mutex_;
  Phase phase_ GUARDED_BY(mutex_) = Phase::kStarting;
  std::vector<Collector> collectors_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, Objection>> objections_ GUARDED_BY(mutex_);
  std::unique_ptr<HttpPort> port_;
};

}  // namespace matricula::roles
