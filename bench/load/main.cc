// matricula_load: keeps a number of calls in flight against a server and prints one line of JSON
// with the rate and the latencies. It works against any server that has the same .proto.
#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "bench/load/load.h"

int main(int argc, char** argv) {
  matricula::bench::LoadOptions options;
  options.workload.run = fmt::format(
      "{:x}", (matricula::base::SystemClock().WallMs() << 8 ^ ::getpid()) & 0xFFFFFFFFFF);
  CLI::App app(
      "Keeps calls in flight against a server and prints one line of JSON: rate, latencies "
      "(microseconds), errors by kind. Creates what the workload needs first.");
  app.footer(matricula::bench::DescribeWorkloads() +
             "Exit codes: 0 measured, 2 usage, 69 server unreachable or not to be prepared.");
  app.add_option("--target", options.target, "HOST:PORT")->required();
  app.add_option("--workload", options.workload.name, "see below")->required();
  app.add_option("--in-flight", options.in_flight, "calls under way at any time")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--connections", options.connections)
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--threads", options.threads, "of this client, each with its own queue")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--warm-up", options.warm_up_s, "seconds not measured")->capture_default_str();
  app.add_option("--duration", options.duration_s, "seconds measured")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--count", options.count, "measure that many calls instead; no warm-up");
  app.add_option("--students", options.workload.students, "prepared for the portals' workloads")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--classes", options.workload.classes, "of adiciona-spread")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--keys", options.workload.keys, "of the etcd workloads")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--value-bytes", options.workload.value_bytes)->capture_default_str();
  app.add_option("--run", options.workload.run, "name of this run in what it creates");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const auto report = matricula::bench::RunLoad(options);
  if (!report.ok()) {
    std::fprintf(stderr, "matricula_load: %s\n", report.status().ToString().c_str());
    return report.status().code() == matricula::base::Code::kInvalidArgument ? 2 : 69;
  }
  std::printf("%s\n", matricula::bench::ToJson(options, *report).c_str());
  return 0;
}
