#pragma once

#include <cstdint>
#include <string>

#include "bench/load/histogram.h"
#include "common/base/status.h"

namespace matricula::bench {

struct BusOptions {
  std::string target;               // HOST:PORT of PortalAdministrativo
  std::string broker;               // mqtt://…
  std::string run;                  // distinguishes what several runs create
  int writers = 4;                  // each with one write under way
  int64_t writes_per_second = 200;  // of all writers together; 0: as fast as they can
  double duration_s = 5;
};

struct BusReport {
  Histogram write;      // from the call to its acknowledgement
  Histogram event;      // from the acknowledgement to the event at the subscriber
  uint64_t before = 0;  // events that came before the writer had its answer; in `event` as 0
  uint64_t untold = 0;  // acknowledged, but not told within ten seconds after the end
};

// Creates students at a steady rate and listens for them on the bus, on one clock.
// Unavailable: server or broker cannot be reached, or nothing is told.
base::Result<BusReport> MeasureBus(const BusOptions& options);

}  // namespace matricula::bench
