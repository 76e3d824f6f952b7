// matricula_bus: how long after a write was acknowledged a subscriber of the campus bus hears of
// it. Prints one line of JSON.
#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/bus/latency.h"
#include "common/base/clock.h"

namespace {

double Microseconds(int64_t duration_ns) { return static_cast<double>(duration_ns / 100) / 10; }

nlohmann::ordered_json Percentiles(const matricula::bench::Histogram& histogram) {
  nlohmann::ordered_json json;
  json["p50_us"] = Microseconds(histogram.PercentileNs(0.5));
  json["p99_us"] = Microseconds(histogram.PercentileNs(0.99));
  json["max_us"] = Microseconds(histogram.max_ns());
  return json;
}

}  // namespace

int main(int argc, char** argv) {
  matricula::bench::BusOptions options;
  options.run = fmt::format(
      "{:x}", (matricula::base::SystemClock().WallMs() << 8 ^ ::getpid()) & 0xFFFFFFFFFF);
  CLI::App app(
      "Creates students at a steady rate and listens for them on the campus bus. Exit codes: 0 "
      "measured, 2 usage, 69 server or broker unreachable.");
  app.add_option("--target", options.target, "HOST:PORT of PortalAdministrativo")->required();
  app.add_option("--broker", options.broker, "mqtt://HOST:PORT")->required();
  app.add_option("--writers", options.writers)->check(CLI::Range(1, 1'000))->capture_default_str();
  app.add_option("--rate", options.writes_per_second, "writes per second; 0: as fast as possible")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  app.add_option("--duration", options.duration_s, "seconds")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto report = matricula::bench::MeasureBus(options);
  if (!report.ok()) {
    std::fprintf(stderr, "matricula_bus: %s\n", report.status().ToString().c_str());
    return report.status().code() == matricula::base::Code::kInvalidArgument ? 2 : 69;
  }
  nlohmann::ordered_json json;
  json["events"] = report->event.count();
  json["rate"] =
      static_cast<int64_t>(static_cast<double>(report->write.count()) / options.duration_s);
  json["write"] = Percentiles(report->write);
  json["event"] = Percentiles(report->event);
  json["before_answer"] = report->before;
  json["untold"] = report->untold;
  std::printf("%s\n", json.dump().c_str());
  return report->untold == 0 ? 0 : 1;
}
