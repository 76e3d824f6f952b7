#include "bench/day/offers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/base/ensure.h"

namespace matricula::day {
namespace {

// Median and spread of the lognormal seats; their mean comes to 40.
constexpr double kMedianSeats = 36.5;
constexpr double kSeatsSpread = 0.45;

// Among ordinary classes the big lectures are the ones with room to spare. This correlation of
// seats with demand / seats is what lets the published quantiles, 40 seats on average, and five
// wishes for each of eight students per class all be true at once.
constexpr double kBulkCorrelation = -0.7;

struct Knot {
  double share;
  double ratio;
};
constexpr Knot kDemandRatio[] = {{0.00, 0.1}, {0.10, 0.39}, {0.25, 0.66}, {0.50, 1.0},
                                 {0.75, 1.3}, {0.90, 1.5},  {0.99, 5.7},  {1.00, 6.5}};
constexpr double kTailStart = 0.90;
// How the ratio climbs between p90 and p99: above 1, late and steep. Chosen for the third.
constexpr double kTailBend = 2.0;

// The demand / seats below which a `share` of the classes lies.
double RatioQuantile(double share) {
  const Knot* right = std::find_if(std::begin(kDemandRatio) + 1, std::end(kDemandRatio) - 1,
                                   [&](const Knot& knot) { return share <= knot.share; });
  const Knot* left = right - 1;
  double position = (share - left->share) / (right->share - left->share);
  if (left->share == kTailStart) position = std::pow(position, kTailBend);
  return left->ratio + (right->ratio - left->ratio) * position;
}

// The inverse of the logistic curve, scaled to a deviation of 1: near enough to the normal one's
// for a correlation, and exact on every machine.
double Score(double share) { return std::log(share / (1 - share)) / 1.8138; }

int32_t DrawSeats(double share, Random& random) {
  double deviation = random.Normal();
  if (share < kTailStart) {
    deviation = kBulkCorrelation * Score(share / kTailStart) +
                std::sqrt(1 - kBulkCorrelation * kBulkCorrelation) * deviation;
  }
  const double seats = std::round(kMedianSeats * std::exp(kSeatsSpread * deviation));
  return static_cast<int32_t>(std::clamp<double>(seats, kFewestSeats, kMostSeats));
}

// Rounds `wanted`, scaled to add up to `wishes`, so that it does so exactly: whoever lost most by
// being rounded down is rounded up first.
std::vector<int32_t> RoundToSum(const std::vector<double>& wanted, int64_t wishes, int64_t most) {
  const double scale =
      static_cast<double>(wishes) / std::accumulate(wanted.begin(), wanted.end(), 0.0);
  std::vector<int32_t> rounded;
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  int64_t left = wishes;
  for (const double value : wanted) {
    rounded.push_back(static_cast<int32_t>(std::min<double>(value * scale, most)));
    left -= rounded.back();
  }
  auto lost = [&](size_t i) { return wanted[i] * scale - rounded[i]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lost(a) > lost(b); });
  while (left > 0) {
    for (const size_t i : order) {
      if (left > 0 && rounded[i] < most) {
        ++rounded[i];
        --left;
      }
    }
  }
  return rounded;
}

}  // namespace

std::vector<Offer> MakeOffers(int classes, int64_t students, int64_t wishes, Random& random) {
  ENSURE(classes > 0 && wishes <= students * classes, "more wishes than there are pairs");
  std::vector<Offer> offers;
  std::vector<double> wanted;
  for (int i = 0; i < classes; ++i) {
    const double share = (i + 0.5) / classes;
    offers.push_back({.vagas = DrawSeats(share, random)});
    wanted.push_back(RatioQuantile(share) * offers.back().vagas);
  }
  const std::vector<int32_t> demand = RoundToSum(wanted, wishes, students);
  for (int i = 0; i < classes; ++i) offers[i].demanda = demand[i];
  random.Shuffle(offers);
  return offers;
}

}  // namespace matricula::day
