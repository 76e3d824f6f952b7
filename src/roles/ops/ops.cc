#include "roles/ops/ops.h"

#include <utility>

#include <fmt/format.h>

#include "roles/ops/process_metrics.h"

namespace matricula::roles {
namespace {

constexpr char kServing[] = "serving";

}  // namespace

Ops::Ops(const Settings& settings, const base::Clock& clock,
         const std::map<std::string, std::string>& environment)
    : settings_(settings),
      clock_(clock),
      start_wall_ms_(clock.WallMs()),
      notifier_(environment),
      vigil_(notifier_, clock),
      call_meter_(clock, settings.slow_request_ms) {}

Ops::~Ops() = default;

base::Status Ops::Start() {
  notifier_.Status("starting");
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

void Ops::Mention(Objection trouble) {
  const base::MutexLock lock(mutex_);
  mentions_.push_back(std::move(trouble));
}

void Ops::Serving(std::function<void()> on_turn) {
  {
    const base::MutexLock lock(mutex_);
    phase_ = Phase::kServing;
  }
  on_turn_ = std::move(on_turn);
  ready_by_ns_ = clock_.MonotonicNs() + kReadyPatienceMs * 1'000'000;
  vigil_.OnTurn([this] { OnTurn(); });
  vigil_.Start();
}

// Why the process cannot serve usefully; "": it can.
std::string Ops::Trouble() {
  const base::MutexLock lock(mutex_);
  for (const auto& [part, objection] : objections_) {
    if (std::string reason = objection(); !reason.empty()) return reason;
  }
  return {};
}

std::string Ops::Remarks() {
  const base::MutexLock lock(mutex_);
  std::string remarks;
  for (const Objection& mention : mentions_) {
    if (const std::string trouble = mention(); !trouble.empty()) remarks += "; " + trouble;
  }
  return remarks;
}

void Ops::OnTurn() {
  const base::MutexLock turn(turn_mutex_);
  if (draining_) return;
  on_turn_();
  const std::string trouble = Trouble();
  const std::string status = (trouble.empty() ? kServing : trouble) + Remarks();
  if (!told_ready_ && (trouble.empty() || clock_.MonotonicNs() >= ready_by_ns_)) {
    told_ready_ = notifier_.Ready(status);
    if (told_ready_) told_status_ = status;
  } else if (status != told_status_ && notifier_.Status(status)) {
    told_status_ = status;
  }
}

void Ops::Drain(int64_t timeout_ms) {
  {
    const base::MutexLock turn(turn_mutex_);
    draining_ = true;
  }
  notifier_.Stopping(timeout_ms);
  const base::MutexLock lock(mutex_);
  phase_ = Phase::kDraining;
}

void Ops::Forget() {
  vigil_.Stop();
  const base::MutexLock lock(mutex_);
  collectors_.clear();
  objections_.clear();
  mentions_.clear();
}

HttpPort::Answer Ops::Handle(std::string_view path) {
  if (path == "/metrics") return Metrics();
  if (path == "/readyz") return Ready();
  if (path == "/livez") {
    const std::string hanging = vigil_.Hanging();
    if (hanging.empty()) return {200, "ok\n"};
    return {503, "hanging: " + hanging + "\n"};
  }
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
  CollectProcess(start_wall_ms_, sheet);
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
