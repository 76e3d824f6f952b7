#include "common/mqtt/broker_url.h"

#include <catch2/catch.hpp>

namespace matricula::mqtt {

TEST_CASE("a broker's URL needs no more than a host") {
  const auto url = ParseBrokerUrl("mqtt://localhost");
  REQUIRE(url.ok());
  CHECK(url->host == "localhost");
  CHECK(url->port == 1883);
  CHECK_FALSE(url->tls);
  CHECK(url->user.empty());
}

TEST_CASE("a broker's URL may say who we are, with escapes, over TLS, to an IPv6 host") {
  const auto url = ParseBrokerUrl("mqtts://por%40tal:a%3Ab@[::1]:9999/");
  REQUIRE(url.ok());
  CHECK(url->tls);
  CHECK(url->user == "por@tal");
  CHECK(url->password == "a:b");
  CHECK(url->host == "::1");
  CHECK(url->port == 9999);
  CHECK(url->ToString() == "mqtts://[::1]:9999");
}

TEST_CASE("a malformed broker's URL is refused with a reason") {
  for (const char* text : {"", "localhost:1883", "http://a", "mqtt://", "mqtt://:1", "mqtt://a:0",
                           "mqtt://a:65536", "mqtt://a:1x", "mqtt://[::1", "mqtt://[::1]x",
                           "mqtt://u%4@a", "mqtt://:p@a", "mqtt://u%zz@a"}) {
    INFO(text);
    CHECK_FALSE(ParseBrokerUrl(text).ok());
  }
}

}  // namespace matricula::mqtt
