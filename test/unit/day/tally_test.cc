#include "bench/day/tally.h"

#include <catch2/catch.hpp>

namespace matricula::day {
namespace {

TEST_CASE("quantiles are values that were really measured") {
  Latencies latencies;
  CHECK(latencies.QuantileMs(0.5) == 0);
  for (int ms = 100; ms >= 1; --ms) latencies.Add(ms * 1'000'000LL);
  CHECK(latencies.QuantileMs(0.5) == 50);
  CHECK(latencies.QuantileMs(0.99) == 99);
  CHECK(latencies.QuantileMs(0.999) == 100);
  CHECK(latencies.MaxMs() == 100);
  latencies.Add(200'000'000);
  CHECK(latencies.MaxMs() == 200);
  CHECK(latencies.QuantileMs(0) == 1);
}

TEST_CASE("rates") {
  Tally tally;
  CHECK(tally.PeakRate() == 0);
  CHECK(tally.MeanRate() == 0);
  tally.enrolls = 90;
  tally.drops = 10;
  tally.elapsed_ns = 4'000'000'000;
  tally.answers_by_second = {10, 70, 20, 0};
  CHECK(tally.PeakRate() == 70);
  CHECK(tally.MeanRate() == 25);
}

}  // namespace
}  // namespace matricula::day
