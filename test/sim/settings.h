#pragma once

#include <cstdint>
#include <string>

#include "common/replication/driver.h"
#include "test/sim/network.h"
#include "test/sim/random.h"

namespace matricula::sim {

// What a seed makes of a run: its size, its limits and its own mix of faults. Most seeds have a few
// kinds of faults and much of them; some have none of a kind that others are full of.
struct Settings {
  explicit Settings(uint64_t seed);

  uint64_t seed;

  // The group.
  int replicas = 3;
  bool two_engines = false;      // log and state apart
  bool feed_while_busy = false;  // inputs reach the driver during a sync
  int64_t tick_ns = 100 * kMs;
  double max_drift = 0.0;               // of a clock's speed
  replication::Driver::Options driver;  // what all replicas have in common

  // The disk: it makes batches look larger (sim_engine.h). A sync takes at least, and on average
  // longer by.
  size_t batch_scale = 1;
  int64_t sync_ns = 500 * kUs;
  int64_t sync_jitter_ns = 500 * kUs;

  // The network.
  Network::Weather weather;

  // How many seconds pass, on average, between two faults of a kind; 0: there are none.
  struct Faults {
    double crash_s = 0;           // a process or a whole machine
    double crash_in_write_s = 0;  // the power goes while the disk writes
    double crash_all_s = 0;       // the power of the whole room goes
    double pause_s = 0;           // a process stands still
    double partition_s = 0;
    double storm_s = 0;  // the network becomes much worse for a while
    double read_error_s = 0;
    double full_disk_s = 0;
    double slow_disk_s = 0;
    double damage_s = 0;    // flipped bits, unreadable rows, a wiped disk
    double transfer_s = 0;  // of leadership
    double membership_s = 0;
    double compaction_s = 0;  // of the store's history
    // How many elections of a hundred end with a coup: the new leader falls at once, and others.
    double coup = 0;
    // How many installations of a snapshot of a hundred are cut short by a power failure.
    double cut_install = 0;
  } faults;

  // The load.
  int register_clients = 4;
  int watchers = 2;
  int portals = 2;
  int64_t think_ns = 150 * kMs;  // between two requests of a client
  int enrollments = 60;

  int64_t safety_ns = 60 * kSecond;
  // How long after the last fault everybody must be served and equal again.
  int64_t patience_ns = 60 * kSecond;

  std::string Describe() const;

 private:
  void DrawGroup(Random& random);
  void DrawNetwork(Random& random);
  void DrawFaults(Random& random);
};

}  // namespace matricula::sim
