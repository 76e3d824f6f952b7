#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "test/sim/sim_store.h"

namespace matricula::sim {

// A client of the store: one request after the other on a few keys that it shares with all others,
// of every kind that the store knows. What it is told is judged where it is told (Truth); what it
// keeps account of itself are the counters: each addition has a name, is repeated under it until
// its fate is known, and must have been done exactly once.
class Client {
 public:
  static constexpr int kKeys = 6;
  static constexpr int kCounters = 2;

  Client(World& world, Cluster& cluster, int number, int64_t think_ns);

  void Start() { Next(); }
  // Ends after the request under way.
  void Stop() { stopping_ = true; }
  bool idle() const { return idle_; }
  // One more request, which must succeed: with no faults, in the end everybody is served.
  void Probe();
  bool probed() const { return probed_; }

  // Names of the additions that are known to be done, and of those that may be.
  const std::set<std::string>& done() const { return done_; }
  const std::set<std::string>& unknown() const { return unknown_; }
  static std::string CounterKey(int counter) { return "counter/" + std::to_string(counter); }
  static constexpr const char* kAdditionPrefix = "addition/";
  uint64_t requests() const { return requests_; }

 private:
  struct Addition;

  void Next();
  void Ended();
  std::string RandomKey() { return "key/" + std::to_string(random_.Below(kKeys)); }
  std::string NewValue();
  void Forget(kv::Command command);

  void Put();
  void Delete();
  void ReadOne();
  void ReadAll();
  void CompareAndSwap();
  void Move();
  void LeaseAndPut();
  void KeepAlive();
  void Add();
  void TryAdd(std::shared_ptr<Addition> addition);
  void OnAdded(std::shared_ptr<Addition> addition, base::Result<etcdserverpb::TxnResponse> result);

  World& world_;
  SimStore store_;
  Random random_;
  const int number_;
  const int64_t think_ns_;
  bool stopping_ = false;
  bool idle_ = true;
  bool probed_ = false;
  uint64_t values_ = 0;
  uint64_t requests_ = 0;
  int64_t lease_ = 0;
  std::set<std::string> done_;
  std::set<std::string> unknown_;
};

}  // namespace matricula::sim
