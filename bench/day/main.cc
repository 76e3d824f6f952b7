// matricula_day: generates a registration day at a university's size, or plays it against servers
// and checks that every answer they gave was true.
#include <absl/synchronization/mutex.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>

#include "bench/day/csv.h"
#include "bench/day/names.h"
#include "bench/day/run.h"

namespace matricula::day {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitUnreachable = 69;  // as in sysexits.h

struct Flags {
  RunOptions run;
  int window_minutes = 60;
  int64_t give_up_s = 60;
  bool no_load = false;
  bool quiet = false;
  std::string directory;
  std::string json_file;
};

void AddDayFlags(CLI::App& app, Flags& flags) {
  app.add_option("--seed", flags.run.campus.seed, "the day, and all in it, depends on this alone")
      ->capture_default_str();
  app.add_option("--students", flags.run.campus.students, "how many students, with 5 wishes each")
      ->check(CLI::Range(1, static_cast<int>(kMostStudents)))
      ->capture_default_str();
  app.add_option("--classes", flags.run.campus.classes, "how many classes")
      ->check(CLI::Range(kFewestClasses, static_cast<int>(kMostClasses)))
      ->capture_default_str();
  app.add_option("--window-minutes", flags.window_minutes, "how long registration is open")
      ->check(CLI::Range(1, 7 * 24 * 60))
      ->capture_default_str();
}

void AddServerFlags(CLI::App& app, Flags& flags) {
  app.add_option("--server", flags.run.client.servers, "HOST:PORT of the portals, all in turn")
      ->delimiter(',')
      ->required();
  app.add_option("--give-up-s", flags.give_up_s,
                 "a request without an answer for this long counts as unknown")
      ->check(CLI::Range(1, 24 * 3600))
      ->capture_default_str();
}

void AddRunFlags(CLI::App& app, Flags& flags) {
  app.add_flag("--no-load", flags.no_load, "the records are there already");
  app.add_option("--speed", flags.run.play.speed, "the day's time over real time")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  app.add_option("--in-flight", flags.run.client.in_flight, "most requests under way at once")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--channels", flags.run.client.channels_per_server, "connections to each server")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--call-timeout-ms", flags.run.client.call_timeout_ms, "deadline of one try")
      ->check(CLI::Range(1, 600'000))
      ->capture_default_str();
  app.add_option("--tries", flags.run.client.most_tries,
                 "most tries of one request; 0: as many as --give-up-s has room for")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option("--report-share", flags.run.play.report_share,
                 "share of the answers after which the class's report is read and checked")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--sample", flags.run.audit.students, "students whose lists are read at the end")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--json", flags.json_file, "write the report as JSON to this file, too");
  app.add_flag("--quiet", flags.quiet, "no progress line");
}

int Generate(const Flags& flags) {
  const Campus campus = MakeCampus(flags.run.campus);
  const base::Status status = WriteCsv(campus, MakePlan(campus, flags.run.plan), flags.directory);
  if (status.ok()) return kExitOk;
  std::fprintf(stderr, "matricula_day: %s\n", status.message().c_str());
  return kExitFailed;
}

int Unreachable() {
  std::fputs("matricula_day: the servers do not answer\n", stderr);
  return kExitUnreachable;
}

int Wait(const Flags& flags) {
  Client client(flags.run.client, base::SystemClock());
  return WaitForServers(client) ? kExitOk : Unreachable();
}

int Run(const Flags& flags) {
  const base::Clock& clock = base::SystemClock();
  Progress progress(clock);
  if (flags.quiet) progress.Silence();
  const base::Result<DayReport> result = RunDay(flags.run, clock, progress);
  if (!result.ok()) return Unreachable();
  const DayReport& report = *result;
  std::fputs(ReportText(report).c_str(), stdout);
  if (!flags.json_file.empty()) {
    std::ofstream out(flags.json_file);
    out << ReportJson(report);
    out.close();
    if (!out.good()) {
      std::fprintf(stderr, "matricula_day: cannot write %s\n", flags.json_file.c_str());
      return kExitFailed;
    }
  }
  return report.passed() ? kExitOk : kExitFailed;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app{"A registration day: 20,000 students, 2,500 classes, a rush at the opening."};
  app.require_subcommand(1);
  CLI::App* generate = app.add_subcommand("generate", "write the day as CSV files");
  generate->add_option("DIR", flags.directory, "where to; made if missing")->required();
  AddDayFlags(*generate, flags);
  CLI::App* run = app.add_subcommand("run",
                                     "play the day against servers; exit code 0 if every check "
                                     "passes, 1 if not, 69 if nobody answers");
  AddDayFlags(*run, flags);
  AddServerFlags(*run, flags);
  AddRunFlags(*run, flags);
  CLI::App* wait = app.add_subcommand("wait", "return when the servers answer");
  AddServerFlags(*wait, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  flags.run.plan.seed = flags.run.campus.seed;
  flags.run.audit.seed = flags.run.campus.seed;
  flags.run.plan.window_ms = int64_t{flags.window_minutes} * 60'000;
  flags.run.client.give_up_after_ms = flags.give_up_s * 1'000;
  flags.run.load = !flags.no_load;
  if (wait->parsed()) return Wait(flags);
  return generate->parsed() ? Generate(flags) : Run(flags);
}

}  // namespace
}  // namespace matricula::day

int main(int argc, char** argv) {
  // gRPC's own locks trip the detector's aborting mode.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return matricula::day::Main(argc, argv);
}
