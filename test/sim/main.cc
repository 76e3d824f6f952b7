#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "test/sim/run.h"
#include "test/sim/runner.h"

namespace matricula::sim {
namespace {

constexpr const char* kUsage = R"(usage: matriculad_sim SEED [--verbose]   one run, from one seed
       matriculad_sim [--first SEED] [--seeds N | --seconds S | --hours H] [--jobs J]
                      [--kept FILE]     many runs, in J processes (default: one per core)

Without a seed the first one is drawn. --kept: also run the seeds that FILE lists, one a line.
The exit code is 0 if nothing was found, 1 if a promise was broken, 2 for a wrong call.
)";

struct Arguments {
  std::optional<uint64_t> seed;
  bool verbose = false;
  std::optional<uint64_t> first;
  Plan plan;
};

std::vector<uint64_t> ReadKept(const std::string& path) {
  std::vector<uint64_t> kept;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const std::string text = line.substr(0, line.find('#'));
    if (text.find_first_of("0123456789") != std::string::npos) {
      kept.push_back(std::strtoull(text.c_str(), nullptr, 10));
    }
  }
  return kept;
}

std::optional<Arguments> Parse(int argc, char** argv) {
  Arguments arguments;
  arguments.plan.jobs = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (word == "--verbose") {
      arguments.verbose = true;
      continue;
    }
    if (word.find_first_not_of("0123456789") == std::string::npos) {
      arguments.seed = std::strtoull(word.c_str(), nullptr, 10);
      continue;
    }
    if (value == nullptr) return std::nullopt;
    ++i;
    if (word == "--first") {
      arguments.first = std::strtoull(value, nullptr, 10);
    } else if (word == "--seeds") {
      arguments.plan.seeds = std::strtoull(value, nullptr, 10);
    } else if (word == "--seconds") {
      arguments.plan.seconds = std::strtod(value, nullptr);
    } else if (word == "--hours") {
      arguments.plan.seconds = std::strtod(value, nullptr) * 3600;
    } else if (word == "--jobs") {
      arguments.plan.jobs = std::max(1, std::atoi(value));
    } else if (word == "--kept") {
      arguments.plan.kept = ReadKept(value);
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

int Failed(uint64_t seed, const std::string& failure) {
  fmt::print("FAILED with seed {}: {}\nrepeat with: ./dev sim {}\n", seed, failure, seed);
  std::fflush(stdout);
  return 1;
}

int RunOne(uint64_t seed, bool verbose) {
  fmt::print("seed {}\n", seed);
  std::fflush(stdout);
  const Report report = Run(seed, verbose);
  fmt::print("{:.1f} s simulated, {} events, {} requests, {} checks, {} faults, {} elections\n",
             report.simulated_s, report.events, report.requests, report.checks, report.faults,
             report.elections);
  fmt::print("trace {:016x}\n", report.trace_hash);
  if (report.failure) return Failed(seed, *report.failure);
  fmt::print("ok; repeat with: ./dev sim {}\n", seed);
  std::fflush(stdout);
  return 0;
}

int RunMany(Arguments arguments) {
  Plan& plan = arguments.plan;
  if (!plan.seeds && !plan.seconds && plan.kept.empty()) plan.seconds = 120;
  plan.first = arguments.first.value_or(std::random_device{}());
  fmt::print("seeds from {} on, in {} processes\n", plan.first, plan.jobs);
  std::fflush(stdout);
  Runner runner(plan);
  const bool good = runner.RunAll();
  const Totals& totals = runner.totals();
  fmt::print(
      "{} seeds, {:.1f} h simulated in {:.0f} s (ratio {:.0f} : 1), {} events, {} requests, {} "
      "checks, {} faults, {} elections\n",
      totals.seeds, totals.simulated_s / 3600, totals.real_s,
      totals.simulated_s / std::max(totals.real_s, 0.001), totals.events, totals.requests,
      totals.checks, totals.faults, totals.elections);
  if (!good) return Failed(runner.failed_seed(), runner.failure());
  fmt::print("nothing found; repeat with: ./dev sim --first {} --seeds {}\n", plan.first,
             totals.seeds);
  std::fflush(stdout);
  return 0;
}

}  // namespace
}  // namespace matricula::sim

int main(int argc, char** argv) {
  using namespace matricula::sim;
  const auto arguments = Parse(argc, argv);
  if (!arguments) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const int code =
      arguments->seed ? RunOne(*arguments->seed, arguments->verbose) : RunMany(*arguments);
  std::_Exit(code);  // a failed run is not cleaned up
}
