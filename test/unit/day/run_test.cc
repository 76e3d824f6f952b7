// A small day against servers that tell the truth, and against servers with one lie each: the
// player's checks must accept the former and convict the latter.
#include "bench/day/run.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "test/unit/day/fake_portal.h"

namespace matricula::day {
namespace {

RunOptions SmallDay(const FakePortal& portal, uint64_t seed) {
  RunOptions options;
  options.campus = {.seed = seed, .students = 800, .classes = 100};
  options.plan = {.seed = seed, .window_ms = 10 * 60'000};
  options.client.servers = {portal.address()};
  options.client.in_flight = 32;
  options.play.speed = 3'000;
  options.play.report_share = 0.2;
  options.audit = {.students = 200, .seed = seed};
  return options;
}

base::Result<DayReport> Run(const RunOptions& options) {
  Progress progress(base::SystemClock());
  progress.Silence();
  return RunDay(options, base::SystemClock(), progress);
}

TEST_CASE("a day on an honest server passes every check and is counted in full") {
  FakePortal portal(Fault::kNone, 1);
  const auto result = Run(SmallDay(portal, 1));
  REQUIRE(result.ok());
  const DayReport& report = *result;
  CAPTURE(ReportText(report));
  CHECK(report.passed());
  CHECK(report.load.records == 800 + 50 + 100 + 100);
  CHECK(report.load.refused.empty());
  // 4,000 wishes, 2 % of them twice, 1 % repeated, and some drops.
  CHECK(report.tally.enrolls >= 4'000 + report.tally.duplicates);
  CHECK(report.tally.duplicates > 40);
  CHECK(report.tally.repeats > 10);
  CHECK(report.tally.drops > 150);
  CHECK(report.tally.unknown == 0);
  CHECK(report.tally.refused.size() == 2);  // no seats, and the second of a duplicate
  CHECK(report.tally.requests() ==
        report.tally.ok() + report.tally.all_refused() + report.tally.unknown);
  CHECK(report.tally.reports > 400);
  CHECK(report.audit.classes == 100);
  CHECK(report.audit.students == 200);
  CHECK(report.audit.enrolled == report.totals.in + report.audit.possible_taken);
  CHECK(report.totals.vagas > report.audit.enrolled);
  CHECK(report.audit.enrolled > report.totals.vagas / 2);
}

TEST_CASE("errors and lost answers are the world's fault and no lie") {
  for (const Fault fault : {Fault::kErrorBefore, Fault::kErrorAfter, Fault::kLateEffect}) {
    CAPTURE(static_cast<int>(fault));
    FakePortal portal(fault, 2);
    const auto result = Run(SmallDay(portal, 2));
    REQUIRE(result.ok());
    CAPTURE(ReportText(*result));
    CHECK(result->passed());
    CHECK(result->tally.retried > 50);
  }
}

TEST_CASE("who tries once gives up after the first error, which is no lie either") {
  FakePortal portal(Fault::kErrorBefore, 5);
  RunOptions options = SmallDay(portal, 5);
  options.client.most_tries = 1;
  const auto result = Run(options);
  REQUIRE(result.ok());
  CAPTURE(ReportText(*result));
  CHECK(result->passed());
  CHECK(result->tally.unknown > 50);
  CHECK(result->tally.retried == 0);
}

TEST_CASE("every lie is found out") {
  for (int fault = static_cast<int>(Fault::kFirstLie); fault < static_cast<int>(Fault::kEnd);
       ++fault) {
    CAPTURE(fault);
    FakePortal portal(static_cast<Fault>(fault), 3);
    const auto result = Run(SmallDay(portal, 3));
    REQUIRE(result.ok());
    CHECK_FALSE(result->passed());
    CHECK(ReportText(*result).find("NÃO CONFERE") != std::string::npos);
  }
}

TEST_CASE("an outage in the middle of the day costs time and nothing else") {
  FakePortal portal(Fault::kNone, 4);
  RunOptions options = SmallDay(portal, 4);
  options.play.speed = 300;
  std::thread outage([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(900));
    portal.Stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    portal.Start();
  });
  const auto result = Run(options);
  outage.join();
  REQUIRE(result.ok());
  CAPTURE(ReportText(*result));
  CHECK(result->passed());
  CHECK(result->tally.unknown == 0);
  CHECK(result->tally.retried > 0);
}

TEST_CASE("a second day on the same server starts from what it finds") {
  FakePortal portal(Fault::kNone, 5);
  REQUIRE(Run(SmallDay(portal, 5))->passed());
  RunOptions options = SmallDay(portal, 5);
  options.load = false;
  const auto result = Run(options);
  REQUIRE(result.ok());
  CAPTURE(ReportText(*result));
  CHECK(result->passed());
  CHECK(result->load.records == 0);
}

TEST_CASE("classes that are not what was loaded are found out") {
  FakePortal portal(Fault::kNone, 6);
  REQUIRE(Run(SmallDay(portal, 6))->passed());
  RunOptions options = SmallDay(portal, 7);  // the same siglas with other seats
  options.load = false;
  const auto result = Run(options);
  REQUIRE(result.ok());
  CHECK(result->findings.kinds().contains(std::string(achado::kCadastroDiferente)));
}

TEST_CASE("without a server the day ends soon and says so") {
  FakePortal portal(Fault::kNone, 8);
  RunOptions options = SmallDay(portal, 8);
  options.client.give_up_after_ms = 300;
  portal.Stop();
  const auto result = Run(options);
  REQUIRE_FALSE(result.ok());
  CHECK(result.status().code() == base::Code::kUnavailable);
}

TEST_CASE("a server that dies for good is no passed check") {
  FakePortal portal(Fault::kNone, 9);
  RunOptions options = SmallDay(portal, 9);
  options.play.speed = 100;
  options.client.give_up_after_ms = 500;
  std::thread death([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
    portal.Stop();
  });
  const auto result = Run(options);
  death.join();
  REQUIRE(result.ok());
  CHECK_FALSE(result->passed());
  CHECK(result->tally.unknown > 0);
}

TEST_CASE("the report says everything, for people and for programs") {
  FakePortal portal(Fault::kNone, 10);
  const auto result = Run(SmallDay(portal, 10));
  REQUIRE(result.ok());
  const std::string text = ReportText(*result);
  for (const char* part : {"800 alunos, 100 turmas", "Confirmados", "não há vagas na disciplina",
                           "Vagas ocupadas", "Vazão", "p50", "p99,9", "máximo", "Tudo confere"}) {
    CAPTURE(part, text);
    CHECK(text.find(part) != std::string::npos);
  }
  const auto json = nlohmann::json::parse(ReportJson(*result));
  CHECK(json["checks"]["passed"] == true);
  CHECK(json["requests"]["all"] == result->tally.requests());
  CHECK(json["latency"]["p50_ms"] > 0);
  CHECK(json["latency"]["p50_ms"] <= json["latency"]["max_ms"]);
}

}  // namespace
}  // namespace matricula::day
