#pragma once

#include <cstdint>
#include <vector>

#include "bench/day/random.h"

namespace matricula::day {

inline constexpr int32_t kFewestSeats = 10;
inline constexpr int32_t kMostSeats = 120;

// One class as the registration office sees it beforehand: its seats, and how many students will
// ask for one.
struct Offer {
  int32_t vagas = 0;
  int32_t demanda = 0;
};

// `classes` offers in random order whose demand adds up to exactly `wishes` (no class is wanted
// by more than `students`). Shaped like a real university's day:
//  * seats are lognormal around 40, cut at 10 and 120;
//  * demand / seats has the quantiles p10 0.39, p25 0.66, p50 1.0, p75 1.3, p90 1.5, p99 5.7;
//  * the tenth of the classes that is wanted most holds a third of all demand.
// The quantiles hold at eight students of five wishes per class; away from there they all grow or
// shrink by one factor.
std::vector<Offer> MakeOffers(int classes, int64_t students, int64_t wishes, Random& random);

}  // namespace matricula::day
