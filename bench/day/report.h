#pragma once

#include <string>

#include "bench/day/audit.h"
#include "bench/day/campus.h"
#include "bench/day/findings.h"
#include "bench/day/journal.h"
#include "bench/day/loader.h"
#include "bench/day/tally.h"

namespace matricula::day {

// Everything there is to say about a day that has been played.
struct DayReport {
  uint64_t seed = 1;
  double speed = 1;
  size_t students = 0;
  size_t classes = 0;
  LoadResult load;  // no records: the campus had been loaded by somebody else
  Tally tally;
  Journal::Totals totals;
  AuditResult audit;
  Findings findings;

  bool passed() const { return findings.none(); }
};

// For people, in Portuguese.
std::string ReportText(const DayReport& report);
// For programs: one JSON object with English keys and the units in their names.
std::string ReportJson(const DayReport& report);

}  // namespace matricula::day
