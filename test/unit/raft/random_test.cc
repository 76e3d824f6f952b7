#include "common/raft/random.h"

#include <catch2/catch.hpp>

namespace matricula::raft::testing {

// Values of the published reference implementation.
TEST_CASE("the generator gives the numbers of SplitMix64, on every machine") {
  Random zero(0);
  CHECK(zero.Next() == 0xe220a8397b1dcdaf);
  CHECK(zero.Next() == 0x6e789e6aa1b965f4);
  CHECK(zero.Next() == 0x06c45d188009454f);
  Random other(1234567);
  CHECK(other.Next() == 6457827717110365317u);
  CHECK(other.Next() == 3203168211198807973u);
}

TEST_CASE("draws stay below the limit and reach all of it") {
  Random random(1);
  int seen[7] = {};
  for (int i = 0; i < 7000; ++i) ++seen[random.Below(7)];
  for (const int times : seen) CHECK((times > 850 && times < 1150));
  CHECK(random.Below(1) == 0);
}

}  // namespace matricula::raft::testing
