#include "roles/ops/ops.h"

#include <fmt/format.h>

#include "roles/ops/process_metrics.h"

namespace matricula::roles {

Ops::~Ops() = default;

base::Status Ops::Start() {
  if (settings_.metrics_listen.empty()) return {};
  auto port = HttpPort::Open(settings_.metrics_listen,
                             [this](std::string_view path) { return Handle(path); });
  RETURN_IF_ERROR(port.status());
  port_ = *std::move(port);
  return {};
}

void Ops::Measure(Collector collector) {
  const base::MutexLock lock(mutex_);
  collectors_.push_back(std::move(collector));
}

void Ops::Require(std::string part, Objection objection) {
  const base::MutexLock lock(mutex_);
  objections_.emplace_back(std::move(part), std::move(objection));
}

void Ops::Serving() {
  const base::MutexLock lock(mutex_);
  phase_ = Phase::kServing;
}

void Ops::Drain() {
  const base::MutexLock lock(mutex_);
  phase_ = Phase::kDraining;
}

void Ops::Forget() {
  const base::MutexLock lock(mutex_);
  collectors_.clear();
  objections_.clear();
}

HttpPort::Answer Ops::Handle(std::string_view path) {
  if (path == "/metrics") return Metrics();
  if (path == "/readyz") return Ready();
  if (path == "/livez") return {200, "ok\n"};
  return {404, "there are /metrics, /livez and /readyz\n"};
}

HttpPort::Answer Ops::Metrics() {
  Sheet sheet;
  sheet.Gauge("matricula_build_info", "The version that runs.", 1,
              {{"version", MATRICULA_VERSION}});
  call_meter_.Collect(sheet);
  {
    const base::MutexLock lock(mutex_);
    for (const Collector& collector : collectors_) collector(sheet);
  }
  CollectProcess(sheet);
  return {200, sheet.Render()};
}

HttpPort::Answer Ops::Ready() {
  const base::MutexLock lock(mutex_);
  HttpPort::Answer answer;
  if (phase_ != Phase::kServing) {
    answer.body = phase_ == Phase::kStarting ? "starting\n" : "stopping\n";
    answer.code = 503;
  }
  for (const auto& [part, objection] : objections_) {
    const std::string reason = objection();
    answer.body += fmt::format("{}: {}\n", part, reason.empty() ? "ok" : reason);
    if (!reason.empty()) answer.code = 503;
  }
  return answer;
}

}  // namespace matricula::roles
