#include "roles/kv_replica/watch_messages.h"

#include <catch2/catch.hpp>
#include <string>

namespace matricula::roles {
namespace {

using etcdserverpb::WatchResponse;

WatchResponse Response(int events, size_t bytes) {
  WatchResponse response;
  response.mutable_header()->set_revision(7);
  response.set_watch_id(3);
  for (int i = 0; i < events; ++i) {
    auto& kv = *response.add_events()->mutable_kv();
    kv.set_key("k" + std::to_string(i));
    kv.set_value(std::string(bytes, 'x'));
  }
  return response;
}

TEST_CASE("a response that is too large is cut between events, and all but the last piece say so") {
  constexpr size_t kMost = 10'000;
  const WatchResponse whole = Response(100, 990);
  const auto pieces = Fragment(whole, kMost);
  REQUIRE(pieces.size() > 10);
  int number = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    CHECK(pieces[i].ByteSizeLong() < kMost);
    CHECK(pieces[i].fragment() == (i + 1 < pieces.size()));
    CHECK(pieces[i].watch_id() == 3);
    CHECK(pieces[i].header().revision() == 7);
    REQUIRE(pieces[i].events_size() > 0);
    for (const auto& event : pieces[i].events()) {
      CHECK(event.kv().key() == "k" + std::to_string(number++));
    }
  }
  CHECK(number == 100);
}

TEST_CASE("a response that fits, or has one event alone, is not cut") {
  CHECK(Fragment(Response(9, 990), 10'000).size() == 1);
  CHECK(Fragment(Response(1, 90'000), 10'000).size() == 1);
  CHECK_FALSE(Fragment(Response(1, 90'000), 10'000).front().fragment());
  // Events that are too large each are pieces of their own.
  const auto pieces = Fragment(Response(3, 90'000), 10'000);
  REQUIRE(pieces.size() == 3);
  for (const auto& piece : pieces) CHECK(piece.events_size() == 1);
}

}  // namespace
}  // namespace matricula::roles
