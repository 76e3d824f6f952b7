// matricula_chaos_traffic: clients and watches of a cluster, and the judgement of what they saw.
// Commands come on standard input, one a line:
//
//   begin                 the clients begin
//   silence               prints the longest time without an acknowledged write since the last time
//   end MEMBER,MEMBER,…   the clients end; prints what was wrong and "round ok …" or "round wrong
//   …".
//                         These members (from 1) should serve by now.
#include <absl/synchronization/mutex.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "test/integration/chaos/traffic.h"

namespace matricula::chaos {
namespace {

std::vector<int> ParseMembers(const std::string& text) {
  std::vector<int> members;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) members.push_back(std::stoi(word) - 1);
  return members;
}

void Print(const RoundReport& report) {
  for (const std::string& finding : report.findings) fmt::print("WRONG {}\n", finding);
  fmt::print(
      "round {} answered={} unknown={} linearizable={} serializable={} writes={} changes={} "
      "told={} "
      "streams={}\n",
      report.findings.empty() ? "ok" : "wrong", report.answered, report.unknown,
      report.linearizable_reads, report.serializable_reads, report.writes, report.changes,
      report.told, report.streams);
}

int Main(int argc, char** argv) {
  TrafficOptions options;
  CLI::App app{"Clients of a cluster whose answers are judged."};
  app.add_option("--member", options.members, "HOST:PORT of each member's etcd API")->required();
  app.add_option("--directory", options.directory, "for the journal and for findings")->required();
  app.add_option("--clients", options.clients, "that roam, besides two for each member")
      ->capture_default_str();
  app.add_option("--pause-ms", options.pause_ms, "between a client's requests, on the average")
      ->capture_default_str();
  app.add_option("--seed", options.seed, "of what the clients ask")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  Traffic traffic(options, base::SystemClock());
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    std::string members;
    words >> verb >> members;
    if (verb == "begin") {
      traffic.BeginRound();
      fmt::print("ok\n");
    } else if (verb == "silence") {
      fmt::print("{}\n", traffic.LongestSilenceMs());
    } else if (verb == "end") {
      Print(traffic.EndRound(ParseMembers(members)));
    } else {
      fmt::print("what?\n");
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace matricula::chaos

int main(int argc, char** argv) {
  // gRPC's own locks trip the detector's aborting mode.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return matricula::chaos::Main(argc, argv);
}
