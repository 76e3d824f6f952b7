#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace matricula::day {

// Quantiles of durations, exact; values are kept in microseconds, up to 71 minutes.
class Latencies {
 public:
  void Add(int64_t duration_ns);
  // The smallest duration that at least `share` (0..1) of all do not exceed; 0 without any.
  double QuantileMs(double share) const;
  double MaxMs() const { return QuantileMs(1); }
  size_t count() const { return values_us_.size(); }

 private:
  mutable std::vector<uint32_t> values_us_;
  mutable bool sorted_ = true;
};

// Counts of a day.
struct Tally {
  int64_t enrolls = 0;  // requests, duplicates and repeats included
  int64_t drops = 0;
  int64_t reports = 0;  // read in between
  int64_t reports_lost = 0;
  int64_t duplicates = 0;  // submitted twice at once
  int64_t repeats = 0;     // sent again with the same id because the client had hung up
  int64_t retried = 0;     // requests that needed more than one try for another reason
  int64_t enrolls_ok = 0;
  int64_t drops_ok = 0;
  std::map<std::string, int64_t> refused;  // by reason
  int64_t unknown = 0;                     // given up

  Latencies latency;  // of every request whose client was patient, all its tries together
  Latencies lag;      // by how much requests began later than planned, the player being full
  int64_t elapsed_ns = 0;
  std::vector<int64_t> answers_by_second;

  int64_t requests() const { return enrolls + drops; }
  int64_t ok() const { return enrolls_ok + drops_ok; }
  int64_t all_refused() const;
  // Answers in the busiest whole second, and on average.
  double PeakRate() const;
  double MeanRate() const;
};

}  // namespace matricula::day
