#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/base/crc32c.h"
#include "common/base/histogram.h"
#include "common/base/status.h"

namespace matricula::base {

TEST_CASE("crc32c gives the value of RFC 3720 for 32 bytes of zeros") {
  CHECK(Crc32c(0, std::string(32, '\0')) == 0x8a9136aa);
}

TEST_CASE("crc32c can go on where it stopped") {
  CHECK(Crc32c(Crc32c(0, "matri"), "cula") == Crc32c(0, "matricula"));
}

TEST_CASE("a result holds a value or a status") {
  const Result<int> good = 7;
  const Result<int> bad = Status(Code::kNotFound, "no such key");
  CHECK(good.ok());
  CHECK(*good == 7);
  CHECK_FALSE(bad.ok());
  CHECK(bad.status().ToString() == "NOT_FOUND: no such key");
}

TEST_CASE("a histogram counts a value in the first bucket that holds it") {
  Histogram histogram(kCountBounds);
  for (const int64_t value : {1, 2, 3, 4, 1'024, 1'025}) histogram.Observe(value);
  const HistogramSnapshot snapshot = histogram.Snapshot();
  CHECK(snapshot.counts == std::vector<uint64_t>{1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1, 1});
  CHECK(snapshot.total() == 6);
  CHECK(snapshot.sum == 2'059);
}

TEST_CASE("a stopwatch observes how long it lived") {
  ManualClock clock;
  Histogram histogram;
  {
    const Stopwatch stopwatch(clock, histogram);
    clock.AdvanceMs(3);
  }
  CHECK(histogram.sum() == 3'000'000);
}

}  // namespace matricula::base
