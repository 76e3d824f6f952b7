#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "bench/day/campus.h"
#include "bench/day/client.h"
#include "bench/day/journal.h"
#include "bench/day/progress.h"

namespace matricula::day {

struct LoadResult {
  int64_t records = 0;
  std::map<std::string, int64_t> refused;  // by reason
  int64_t unknown = 0;
  bool silence = false;  // the servers stopped answering; the rest was not sent
  int64_t elapsed_ns = 0;
};

// Writes the whole campus into the servers of `client`, as many records at once as it has room.
LoadResult LoadCampus(const Campus& campus, const std::string& request_prefix, Client& client,
                      const base::Clock& clock, Progress& progress);

// Reads every class's report into the journal, as the state from which the day starts. False if
// the servers stopped answering.
bool ReadStart(Client& client, Journal& journal, const base::Clock& clock, Progress& progress);

}  // namespace matricula::day
