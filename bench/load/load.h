#pragma once

#include <cstdint>
#include <string>

#include "bench/load/pipeline.h"
#include "bench/load/workload.h"
#include "common/base/status.h"

namespace matricula::bench {

struct LoadOptions {
  std::string target;
  WorkloadOptions workload;
  int connections = 4;
  int in_flight = 64;
  int threads = 1;
  double warm_up_s = 1;
  double duration_s = 5;
  uint64_t count = 0;  // 0: by duration
};

struct Report {
  Tally tally;
  double seconds = 0;
};

// Connects, prepares, measures. Unavailable: the server cannot be reached, or cannot be prepared.
base::Result<Report> RunLoad(const LoadOptions& options);

// One line of JSON.
std::string ToJson(const LoadOptions& options, const Report& report);

}  // namespace matricula::bench
