#pragma once

#include <cstdint>

#include "bench/day/client.h"
#include "bench/day/journal.h"
#include "bench/day/progress.h"

namespace matricula::day {

struct AuditOptions {
  int students = 500;  // how many are asked for the list of their classes
  uint64_t seed = 1;   // which ones
};

struct AuditResult {
  int64_t classes = 0;          // reports compared with the journal
  int64_t students = 0;         // students' lists compared with the reports
  int64_t enrolled = 0;         // students on all reports together
  int64_t possible_taken = 0;   // pairs of unknown outcome: found on a report,
  int64_t possible_absent = 0;  // or not
};

// After the day, with nothing under way: reads all classes back and compares them exactly with the
// journal, then the lists of some students with these reports. Whatever is wrong is added to the
// journal's findings.
AuditResult Audit(const AuditOptions& options, Client& client, Journal& journal,
                  const base::Clock& clock, Progress& progress);

}  // namespace matricula::day
