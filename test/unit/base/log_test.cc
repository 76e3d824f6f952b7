#include "common/base/log_sink.h"

#include <catch2/catch.hpp>
#include <string>

namespace matricula::base::log {
namespace {

constexpr int64_t kNewYear = 1'767'225'600'123;  // 2026-01-01T00:00:00.123Z

std::string Line(const Sink& sink, Fields fields = {}) {
  return Render(sink, kNewYear, Level::kWarning, "store.slow", fields);
}

}  // namespace

TEST_CASE("log: a line has time, level, event and fields") {
  CHECK(Line({}, {{"ms", 12}, {"ok", true}, {"why", "no room"}, {"empty", ""}}) ==
        "2026-01-01T00:00:00.123Z warning store.slow ms=12 ok=true why=\"no room\" empty=\"\"\n");
}

TEST_CASE("log: the journal knows time and level without the text") {
  CHECK(Line({.journal = true}, {{"ms", 12}}) == "<4>store.slow ms=12\n");
  CHECK(Line({.format = Format::kJson, .journal = true}) ==
        "<4>{\"level\":\"warning\",\"event\":\"store.slow\"}\n");
}

TEST_CASE("log: JSON has numbers and truth values bare and the rest quoted") {
  CHECK(
      Line({.format = Format::kJson}, {{"ms", -15}, {"ok", false}, {"id", "012"}, {"n", "1e5"}}) ==
      "{\"time\":\"2026-01-01T00:00:00.123Z\",\"level\":\"warning\",\"event\":\"store.slow\","
      "\"ms\":-15,\"ok\":false,\"id\":\"012\",\"n\":\"1e5\"}\n");
}

TEST_CASE("log: whatever a value holds, a line stays one line") {
  const Field wild("text", "a\"b\\c\nd\x01");
  CHECK(Line({.journal = true}, {wild}) == "<4>store.slow text=\"a\\\"b\\\\c\\x0ad\\x01\"\n");
  CHECK(Line({.format = Format::kJson, .journal = true}, {wild}) ==
        "<4>{\"level\":\"warning\",\"event\":\"store.slow\",\"text\":"
        "\"a\\\"b\\\\c\\u000ad\\u0001\"}\n");
}

TEST_CASE("log: only the very stream that systemd names is the journal") {
  CHECK_FALSE(IsJournal(""));
  CHECK_FALSE(IsJournal("1:2"));
}

}  // namespace matricula::base::log
