#include "bench/day/tally.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace matricula::day {

void Latencies::Add(int64_t duration_ns) {
  const int64_t most = std::numeric_limits<uint32_t>::max();
  values_us_.push_back(static_cast<uint32_t>(std::clamp<int64_t>(duration_ns / 1'000, 0, most)));
  sorted_ = false;
}

double Latencies::QuantileMs(double share) const {
  if (values_us_.empty()) return 0;
  if (!sorted_) std::sort(values_us_.begin(), values_us_.end());
  sorted_ = true;
  const double rank = std::ceil(share * static_cast<double>(values_us_.size()));
  return values_us_[static_cast<size_t>(std::max(rank, 1.0)) - 1] / 1e3;
}

int64_t Tally::all_refused() const {
  return std::accumulate(refused.begin(), refused.end(), int64_t{0},
                         [](int64_t sum, const auto& entry) { return sum + entry.second; });
}

double Tally::PeakRate() const {
  const auto peak = std::max_element(answers_by_second.begin(), answers_by_second.end());
  return peak == answers_by_second.end() ? 0 : static_cast<double>(*peak);
}

double Tally::MeanRate() const {
  return elapsed_ns == 0 ? 0
                         : static_cast<double>(requests()) * 1e9 / static_cast<double>(elapsed_ns);
}

}  // namespace matricula::day
