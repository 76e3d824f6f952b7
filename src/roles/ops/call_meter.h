#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/base/histogram.h"
#include "common/base/log_limit.h"
#include "common/base/mutex.h"
#include "common/rpc/server_options.h"
#include "roles/ops/sheet.h"

namespace matricula::roles {

// Counts the calls of all servers of the process by method and code, under the names that gRPC's
// servers in Go use (grpc_server_…), which etcd's dashboards know. Any thread.
class CallMeter final : public rpc::CallObserver {
 public:
  // Unary calls that take longer than `slow_ms` are logged, one a second at most; 0: none.
  CallMeter(const base::Clock& clock, int64_t slow_ms);

  void OnCallBegin(std::string_view method) override EXCLUDES(mutex_);
  void OnCallEnd(std::string_view method, base::Code code, int64_t duration_ns) override
      EXCLUDES(mutex_);

  void Collect(Sheet& sheet) const EXCLUDES(mutex_);

 private:
  // gRPC's codes are 0 to 15; an outcome unknown is sent as UNKNOWN.
  static constexpr size_t kCodes = 16;

  struct Method {
    Sheet::Labels labels;
    bool unary = false;
    base::Counter started;
    std::array<base::Counter, kCodes> handled;
    base::Histogram duration;
  };

  Method& Find(std::string_view name) EXCLUDES(mutex_);

  const int64_t slow_ns_;
  base::LogLimit log_limit_;
  mutable base::Mutex mutex_;
  std::map<std::string, Method, std::less<>> methods_ GUARDED_BY(mutex_);  // entries stay
};

}  // namespace matricula::roles
