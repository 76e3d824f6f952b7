#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace matricula::sim {

// What one seed came to.
struct Report {
  uint64_t seed = 0;
  std::optional<std::string> failure;
  uint64_t trace_hash = 0;
  double simulated_s = 0;
  uint64_t events = 0;
  uint64_t requests = 0;  // of clients
  uint64_t checks = 0;    // of answers, applied entries, elections, commits, states
  uint64_t faults = 0;
  uint64_t elections = 0;
};

// One run: first safety under faults, then liveness without, then a look at everything. After a
// failure the process must end without cleaning up: what is under way will never be finished.
Report Run(uint64_t seed, bool verbose);

}  // namespace matricula::sim
