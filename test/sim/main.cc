#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "test/sim/run.h"
#include "test/sim/runner.h"

namespace matricula::sim {
namespace {

constexpr const char* kUsage = R"(usage: matriculad_sim SEED [--verbose]   one run, from one seed
       matriculad_sim [--first SEED] [--seeds N | --seconds S | --hours H] [--jobs J]
                      [--kept FILE] [--keep]
                                        many runs, in J processes (default: one per core)

Without a seed the first one is drawn. --kept: first run the seeds that FILE lists, one a line; with
--keep, a seed that fails is added to it. The exit code is 0 if nothing was found, 1 if a promise was
broken, 2 for a wrong call.
)";

struct Arguments {
  std::optional<uint64_t> seed;
  bool verbose = false;
  std::optional<uint64_t> first;
  std::string kept;  // a file
  bool keep = false;
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
    if (word == "--keep") {
      arguments.keep = true;
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
      arguments.kept = value;
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
  const base::Clock& clock = base::SystemClock();
  const int64_t started_ns = clock.MonotonicNs();
  const Report report = Run(seed, verbose);
  const double real_s = static_cast<double>(clock.MonotonicNs() - started_ns) / 1e9;
  fmt::print(
      "{:.1f} s simulated in {:.2f} s (ratio {:.0f} : 1), {} events, {} requests, {} checks, {} "
      "faults, {} elections\n",
      report.simulated_s, real_s, report.simulated_s / std::max(real_s, 1e-6), report.events,
      report.requests, report.checks, report.faults, report.elections);
  fmt::print("trace {:016x}\n", report.trace_hash);
  if (report.failure) return Failed(seed, *report.failure);
  fmt::print("ok; repeat with: ./dev sim {}\n", seed);
  std::fflush(stdout);
  return 0;
}

void Keep(const Arguments& arguments, const Runner& runner) {
  const std::vector<uint64_t>& kept = arguments.plan.kept;
  if (!arguments.keep || arguments.kept.empty()) return;
  if (std::find(kept.begin(), kept.end(), runner.failed_seed()) != kept.end()) return;
  const std::string& failure = runner.failure();
  std::ofstream(arguments.kept, std::ios::app)
      << runner.failed_seed() << "  # " << failure.substr(0, failure.find('\n')) << "\n";
}

void Tell(const Totals& totals) {
  fmt::print(
      "{} seeds, {:.1f} h simulated in {:.0f} s (ratio {:.0f} : 1), {} events, {} requests, {} "
      "checks, {} faults, {} elections\n",
      totals.seeds, totals.simulated_s / 3600, totals.real_s,
      totals.simulated_s / std::max(totals.real_s, 0.001), totals.events, totals.requests,
      totals.checks, totals.faults, totals.elections);
  std::fflush(stdout);
}

int RunMany(Arguments arguments) {
  Plan& plan = arguments.plan;
  if (!plan.seeds && !plan.seconds) plan.seconds = 120;
  plan.first = arguments.first.value_or(std::random_device{}());
  plan.tell = Tell;
  fmt::print("seeds from {} on, in {} processes\n", plan.first, plan.jobs);
  if (!plan.kept.empty())
    fmt::print("first the {} that {} lists\n", plan.kept.size(), arguments.kept);
  std::fflush(stdout);
  Runner runner(plan);
  const bool good = runner.RunAll();
  Tell(runner.totals());
  if (!good) {
    Keep(arguments, runner);
    return Failed(runner.failed_seed(), runner.failure());
  }
  fmt::print("nothing found; repeat with: ./dev sim --first {} --seeds {}\n", plan.first,
             runner.totals().seeds - plan.kept.size());
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
