#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "test/sim/run.h"

namespace matricula::sim {

struct Totals {
  uint64_t seeds = 0;
  double simulated_s = 0;
  double real_s = 0;
  uint64_t events = 0;
  uint64_t requests = 0;
  uint64_t checks = 0;
  uint64_t faults = 0;
  uint64_t elections = 0;
};

// Which seeds to run, and for how long.
struct Plan {
  std::vector<uint64_t> kept;     // first of all
  uint64_t first = 1;             // then from here on
  std::optional<uint64_t> seeds;  // so many
  std::optional<double> seconds;  // or as many as can be begun in this time
  int jobs = 1;                   // processes at once
  // Told from time to time how far the run is.
  std::function<void(const Totals&)> tell;
};

// Runs seeds in processes of their own, so that one that aborts takes nothing along. Ends with the
// first failure; its seed is in `failed`. Every kRepeatEvery-th seed is run twice, and must do
// exactly the same again.
class Runner {
 public:
  static constexpr uint64_t kRepeatEvery = 50;
  static constexpr double kTellEveryS = 600;

  explicit Runner(Plan plan);
  ~Runner();

  // False: a seed has failed.
  bool RunAll();

  const Totals& totals() const { return totals_; }
  uint64_t failed_seed() const { return failed_seed_; }
  const std::string& failure() const { return failure_; }

 private:
  struct Worker {
    int pid = 0;
    int results = -1;  // the reading end of its pipe
    int orders = -1;   // the writing end of the pipe that tells it seeds
    std::optional<uint64_t> seed;
    std::string buffer;
  };

  void Start(Worker& worker);
  bool Order(Worker& worker);
  std::optional<uint64_t> NextSeed();
  double ElapsedS() const;
  void Listen();
  void Read(Worker& worker);
  void OnLine(Worker& worker, const std::string& line);
  void OnDeath(Worker& worker);
  void Fail(uint64_t seed, std::string failure);
  void EndAll();

  const Plan plan_;
  std::vector<Worker> workers_;
  size_t kept_begun_ = 0;
  uint64_t begun_ = 0;
  int64_t started_ns_ = 0;
  double told_s_ = 0;
  Totals totals_;
  uint64_t failed_seed_ = 0;
  std::string failure_;
};

}  // namespace matricula::sim
