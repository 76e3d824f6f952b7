#include "common/base/work_times.h"

#include <algorithm>
#include <deque>

#include "common/base/clock.h"

namespace matricula::base::work_times {
namespace {

constexpr size_t kMaxTaken = 10'000;

struct Thread {
  Sums sums;
  std::deque<Sums> taken;  // the newest last
};

thread_local Thread here;

}  // namespace

void AddSynced(int64_t duration_ns) { here.sums.synced_ns += duration_ns; }

Sums Now() {
  here.sums.at_ns = SystemClock().MonotonicNs();
  return here.sums;
}

void NoteTaken() {
  if (here.taken.size() == kMaxTaken) here.taken.pop_front();
  here.taken.push_back(Now());
}

Sums WhenTaken(int64_t since_ns) {
  const auto found = std::lower_bound(
      here.taken.begin(), here.taken.end(), since_ns,
      [](const Sums& taken, int64_t wanted_ns) { return taken.at_ns < wanted_ns; });
  return found == here.taken.end() ? Now() : *found;
}

Applying::Applying() : start_(Now()) {}

Applying::~Applying() {
  const Sums now = Now();
  here.sums.applied_ns += now.at_ns - start_.at_ns - (now.synced_ns - start_.synced_ns);
}

}  // namespace matricula::base::work_times
