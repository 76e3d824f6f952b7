#include "common/rpc/library.h"

#include <atomic>
#include <cstdint>
#include <string>

#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>

#include "common/base/clock.h"
#include "common/base/log.h"

namespace matricula::rpc {
namespace {

// Clients can make the libraries complain about every message: that must not fill a disk.
constexpr int kLinesPerMinute = 20;

bool MayLog() {
  static std::atomic<int64_t> minute{-1};
  static std::atomic<int> lines{0};
  const int64_t now = base::SystemClock().MonotonicMs() / 60'000;
  if (minute.exchange(now) != now) lines = 0;
  return ++lines <= kLinesPerMinute;
}

void LogOfGrpc(gpr_log_func_args* args) {
  if (args->severity == GPR_LOG_SEVERITY_DEBUG || !MayLog()) return;
  const std::string where = fmt::format("{}:{}", args->file, args->line);
  if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    base::log::Warning("rpc.grpc", {{"message", args->message}, {"at", where}});
  } else {
    base::log::Debug("rpc.grpc", {{"message", args->message}, {"at", where}});
  }
}

// What protobuf has to say is about what clients sent, and they get an answer of their own.
void LogOfProtobuf(google::protobuf::LogLevel level, const char* file, int line,
                   const std::string& message) {
  if (level == google::protobuf::LOGLEVEL_FATAL) {
    base::log::Error("rpc.protobuf",
                     {{"message", message}, {"at", fmt::format("{}:{}", file, line)}});
  } else if (MayLog()) {
    base::log::Debug("rpc.protobuf", {{"message", message}});
  }
}

}  // namespace

void SetUpLibraries() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  gpr_set_log_function(LogOfGrpc);
  google::protobuf::SetLogHandler(LogOfProtobuf);
}

void KeepGrpc() {
  static const bool kept = [] {
    grpc_init();
    return true;
  }();
  static_cast<void>(kept);
}

}  // namespace matricula::rpc
