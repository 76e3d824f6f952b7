// matricula_race: races against servers, one after another, each judged when it is over. Used by
// race_test.py and kill_test.py; run by hand to repeat a seed.
#include <absl/synchronization/mutex.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>
#include <string>

#include "test/race/race.h"

namespace matricula::race {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitViolated = 1;
constexpr int kExitUsage = 2;
// More than this share of undecided histories would make the test weaker than it claims to be.
constexpr double kMostUndecided = 0.1;

struct Flags {
  RaceOptions race;
  day::ClientOptions client;
  int runs = 1;
  bool until_eof = false;
  double impatient = 0;
};

bool InputEnded() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char byte = 0;
  return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) == 0;
}

void Add(const RaceResult& result, RaceResult& sum) {
  sum.requests += result.requests;
  sum.ok += result.ok;
  sum.refused += result.refused;
  sum.unknown += result.unknown;
  sum.undecided += result.undecided;
}

int Run(Flags flags) {
  const base::Clock& clock = base::SystemClock();
  flags.client.in_flight = 1;  // a race bounds itself: one request for each of its clients
  day::Client patient(flags.client, clock);
  day::ClientOptions soon = flags.client;
  soon.give_up_after_ms = 1;
  day::Client impatient(soon, clock);
  day::Random random(flags.race.seed);
  std::printf("seed %llu\n", static_cast<unsigned long long>(flags.race.seed));
  std::fflush(stdout);
  const std::string name = fmt::format("C{:x}-{:x}-", clock.WallMs() % 0x1000000, getpid());
  RaceResult sum;
  int64_t races = 0;
  for (; flags.until_eof ? !InputEnded() : races < flags.runs; ++races) {
    RaceOptions race = flags.race;
    race.seed = flags.race.seed + static_cast<uint64_t>(races);
    race.prefix = fmt::format("{}{}-", name, races);
    const bool gives_up = random.Chance(flags.impatient);
    const RaceResult result = Race(race, gives_up ? impatient : patient, patient, clock).Run();
    Add(result, sum);
    if (result.violations.empty()) continue;
    for (const std::string& violation : result.violations) std::puts(violation.c_str());
    std::printf("violated; to repeat its requests: --seed %llu --runs 1 --classes %d\n",
                static_cast<unsigned long long>(race.seed), race.classes);
    return kExitViolated;
  }
  std::printf(
      "%lld races, %lld requests: %lld ok, %lld refused, %lld unknown; %lld of %lld "
      "histories undecided\n",
      static_cast<long long>(races), static_cast<long long>(sum.requests),
      static_cast<long long>(sum.ok), static_cast<long long>(sum.refused),
      static_cast<long long>(sum.unknown), static_cast<long long>(sum.undecided),
      static_cast<long long>(races * flags.race.classes));
  const double histories = static_cast<double>(races) * flags.race.classes;
  return static_cast<double>(sum.undecided) <= 1 + kMostUndecided * histories ? kExitOk
                                                                              : kExitViolated;
}

int Main(int argc, char** argv) {
  Flags flags;
  flags.race.seed = std::random_device()();
  flags.client.channels_per_server = 4;
  CLI::App app{"Clients that race for seats; exit code 0 if every answer was true."};
  app.add_option("--server", flags.client.servers, "HOST:PORT of the portals, all in turn")
      ->delimiter(',')
      ->required();
  app.add_option("--portal", flags.client.portals,
                 "HOST:PORT of the enrollment portals, if --server are admin servers alone")
      ->delimiter(',');
  app.add_option("--seed", flags.race.seed, "of the first race, the next one has the next seed");
  app.add_option("--runs", flags.runs, "how many races")->capture_default_str();
  app.add_flag("--until-eof", flags.until_eof, "race until standard input ends instead");
  app.add_option("--clients", flags.race.clients, "of each race")->capture_default_str();
  app.add_option("--requests", flags.race.requests, "of each client")->capture_default_str();
  app.add_option("--classes", flags.race.classes, "that are raced for")->capture_default_str();
  app.add_option("--students", flags.race.students, "of each race")
      ->check(CLI::Range(1, static_cast<int>(kMostStudents)))
      ->capture_default_str();
  app.add_option("--seats", flags.race.seats, "of each class at first")->capture_default_str();
  app.add_option("--impatient", flags.impatient,
                 "share of the races whose writers do not ask again after an error")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return Run(std::move(flags));
}

}  // namespace
}  // namespace matricula::race

int main(int argc, char** argv) {
  // gRPC's own locks trip the detector's aborting mode.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return matricula::race::Main(argc, argv);
}
