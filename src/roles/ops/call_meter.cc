#include "roles/ops/call_meter.h"

#include <algorithm>

#include <google/protobuf/descriptor.h>

#include "common/base/log.h"

namespace matricula::roles {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kSlowLogMs = 1'000;

// In the spelling of gRPC in Go.
constexpr std::string_view kCodeNames[] = {
    "OK",       "Canceled",      "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",    "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss"};

std::string KindOf(const std::string& dotted) {
  const auto* method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(dotted);
  if (method == nullptr) return "unknown";
  if (method->client_streaming()) return "bidi_stream";
  return method->server_streaming() ? "server_stream" : "unary";
}

Sheet::Labels LabelsOf(std::string_view name) {
  if (name.empty()) name = "unknown/unknown";  // what nobody has registered
  const size_t slash = std::min(name.find('/'), name.size());
  const std::string service(name.substr(0, slash));
  const std::string method(name.substr(std::min(slash + 1, name.size())));
  return {{"grpc_type", KindOf(service + "." + method)},
          {"grpc_service", service},
          {"grpc_method", method}};
}

}  // namespace

CallMeter::CallMeter(const base::Clock& clock, int64_t slow_ms)
    : slow_ns_(slow_ms > 0 ? slow_ms * kNsPerMs : INT64_MAX), log_limit_(clock, kSlowLogMs) {}

CallMeter::Method& CallMeter::Find(std::string_view name) {
  const base::MutexLock lock(mutex_);
  const auto found = methods_.find(name);
  if (found != methods_.end()) return found->second;
  Method& method = methods_[std::string(name)];
  method.labels = LabelsOf(name);
  method.unary = method.labels.front().second == "unary";
  return method;
}

void CallMeter::OnCallBegin(std::string_view method) { Find(method).started.Add(); }

void CallMeter::OnCallEnd(std::string_view name, base::Code code, int64_t duration_ns) {
  Method& method = Find(name);
  if (code == base::Code::kOutcomeUnknown) code = base::Code::kUnknown;
  method.handled[static_cast<size_t>(code) % kCodes].Add();
  method.duration.Observe(duration_ns);
  if (!method.unary || duration_ns < slow_ns_) return;
  if (const auto held_back = log_limit_.Admit()) {
    base::log::Warning("call.slow", {{"method", name},
                                     {"code", base::CodeName(code)},
                                     {"ms", duration_ns / kNsPerMs},
                                     {"others", *held_back}});
  }
}

void CallMeter::Collect(Sheet& sheet) const {
  const base::MutexLock lock(mutex_);
  for (const auto& [name, method] : methods_) {
    sheet.Counter("grpc_server_started_total", "Calls that have begun, by method.",
                  static_cast<double>(method.started.Get()), method.labels);
  }
  for (const auto& [name, method] : methods_) {
    for (size_t code = 0; code < kCodes; ++code) {
      const uint64_t count = method.handled[code].Get();
      if (count == 0 && code != 0) continue;
      Sheet::Labels labels = method.labels;
      labels.emplace_back("grpc_code", kCodeNames[code]);
      sheet.Counter("grpc_server_handled_total", "Calls that have ended, by method and code.",
                    static_cast<double>(count), labels);
    }
  }
  for (const auto& [name, method] : methods_) {
    sheet.Histogram("grpc_server_handling_seconds",
                    "From the moment a call was taken up to its end, by method.",
                    method.duration.Snapshot(), Sheet::kSecondsPerNs, method.labels);
  }
}

}  // namespace matricula::roles
