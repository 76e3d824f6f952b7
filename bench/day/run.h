#pragma once

#include "bench/day/audit.h"
#include "bench/day/campus.h"
#include "bench/day/client.h"
#include "bench/day/plan.h"
#include "bench/day/player.h"
#include "bench/day/progress.h"
#include "bench/day/report.h"
#include "common/base/status.h"

namespace matricula::day {

struct RunOptions {
  CampusOptions campus;
  PlanOptions plan;
  ClientOptions client;
  PlayOptions play;  // request_prefix and seed are filled in
  AuditOptions audit;
  bool load = true;
};

// Waits until the servers answer, as long as the client waits for any answer; false: in vain.
bool WaitForServers(Client& client);

// A whole day against the servers: load, play, audit. Nobody else may change anything meanwhile.
// Unavailable: the servers do not answer, or stopped before the day began.
base::Result<DayReport> RunDay(const RunOptions& options, const base::Clock& clock,
                               Progress& progress);

}  // namespace matricula::day
