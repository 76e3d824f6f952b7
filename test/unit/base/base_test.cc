#include <catch2/catch.hpp>
#include <string>

#include "common/base/crc32c.h"
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

}  // namespace matricula::base
