#include "test/sim/settings.h"

#include <fmt/format.h>

namespace matricula::sim {
namespace {

// Every second seed or so has none of this kind; the others have much or little of it.
double DrawInterval(Random& random, double often_s, double share) {
  return random.Chance(share) ? often_s * (0.5 + 3 * random.Unit()) : 0;
}

}  // namespace

Settings::Settings(uint64_t run_seed) : seed(run_seed) {
  Random random(run_seed ^ 0x5e771465);
  DrawGroup(random);
  DrawNetwork(random);
  DrawFaults(random);
  register_clients = static_cast<int>(random.Between(2, 5));
  watchers = static_cast<int>(random.Between(1, 3));
  portals = random.Chance(0.6) ? static_cast<int>(random.Between(1, 2)) : 0;
  think_ns = random.Between(80, 400) * kMs;
  enrollments = static_cast<int>(random.Between(20, 80));
  safety_ns = random.Between(30, 60) * kSecond;
}

void Settings::DrawGroup(Random& random) {
  const int sizes[] = {3, 3, 3, 5, 5, 7};
  replicas = sizes[random.Below(6)];
  two_engines = random.Chance(0.25);
  feed_while_busy = random.Chance(0.3);
  max_drift = random.Chance(0.5) ? 0.2 * random.Unit() : 0;

  raft::Config& raft = driver.raft;
  raft.election_ticks = static_cast<int>(random.Between(5, 15));
  // In every third group each entry travels alone, and most of these wait for each answer.
  const bool one_by_one = random.Chance(0.3);
  raft.max_append_bytes = static_cast<size_t>(one_by_one ? 40 : random.Between(300, 20'000));
  raft.max_inflight_messages =
      static_cast<int>(one_by_one && random.Chance(0.6) ? 1 : random.Between(1, 64));
  raft.max_inflight_bytes = static_cast<size_t>(random.Between(2'000, 200'000));
  raft.max_apply_bytes = static_cast<size_t>(random.Between(1'000, 100'000));
  raft.max_tail_bytes = static_cast<size_t>(random.Between(0, 50'000));
  raft.snapshot_chunk_bytes = static_cast<size_t>(random.Between(500, 20'000));
  raft.max_inflight_chunks = static_cast<int>(random.Between(1, 4));
  raft.compaction_margin = static_cast<uint64_t>(random.Between(1, random.Chance(0.5) ? 30 : 500));
  raft.check_thoroughly = random.Chance(0.1);
  driver.compaction_step = static_cast<uint64_t>(random.Between(1, 50));
  driver.proposal_timeout_ticks = static_cast<int>(random.Between(20, 60));
  driver.one_engine = !two_engines;
  batch_scale = random.Chance(0.6) ? size_t{1} << random.Between(6, 12) : 1;
  sync_ns = random.Between(100, 3'000) * kUs;
  sync_jitter_ns = random.Between(50, 3'000) * kUs;
}

void Settings::DrawNetwork(Random& random) {
  weather.latency_ns = random.Between(50, 2'000) * kUs;
  weather.jitter_ns = random.Between(50, 5'000) * kUs;
  weather.loss = random.Chance(0.5) ? 0.05 * random.Unit() : 0;
  weather.duplication = random.Chance(0.5) ? 0.1 * random.Unit() : 0;
  weather.long_delay = random.Chance(0.5) ? 0.02 * random.Unit() : 0;
  weather.long_delay_ns = random.Between(100, 5'000) * kMs;
  weather.keeps_order = random.Chance(0.7);
  weather.damaged_chunk = random.Chance(0.3) ? 0.2 * random.Unit() : 0;
  weather.late_vote = random.Chance(0.4) ? 0.6 * random.Unit() : 0;
}

void Settings::DrawFaults(Random& random) {
  faults.crash_s = DrawInterval(random, 4, 0.7);
  faults.crash_in_write_s = DrawInterval(random, 5, 0.5);
  faults.crash_all_s = DrawInterval(random, 12, 0.3);
  faults.pause_s = DrawInterval(random, 5, 0.5);
  faults.partition_s = DrawInterval(random, 4, 0.6);
  faults.storm_s = DrawInterval(random, 8, 0.4);
  faults.read_error_s = DrawInterval(random, 15, 0.3);
  faults.full_disk_s = DrawInterval(random, 20, 0.25);
  faults.slow_disk_s = DrawInterval(random, 10, 0.3);
  faults.damage_s = DrawInterval(random, 15, 0.35);
  faults.transfer_s = DrawInterval(random, 4, 0.4);
  faults.membership_s = DrawInterval(random, 5, 0.45);
  faults.compaction_s = DrawInterval(random, 3, 0.5);
  faults.cut_install = random.Chance(0.4) ? 60 * random.Unit() : 0;
  faults.coup = random.Chance(0.35) ? 80 * random.Unit() : 0;
}

std::string Settings::Describe() const {
  return fmt::format(
      "{} replicas{}, election {} ticks, margin {} + {}, chunks of {}, drift {:.2f}, sync {} us, "
      "loss {:.3f}, crash {:.0f} {:.0f} {:.0f}, pause {:.0f}, partition {:.0f}, storm {:.0f}, disk "
      "{:.0f} {:.0f} {:.0f}, damage {:.0f}, transfer {:.0f}, members {:.0f}, compact {:.0f}, "
      "coup {:.0f}, cut install {:.0f}, batches x {}, late votes {:.2f}, damaged chunks {:.2f}, {} "
      "clients, {} portals",
      replicas, two_engines ? " with two engines" : "", driver.raft.election_ticks,
      driver.raft.compaction_margin, driver.compaction_step, driver.raft.snapshot_chunk_bytes,
      max_drift, sync_ns / kUs, weather.loss, faults.crash_s, faults.crash_in_write_s,
      faults.crash_all_s, faults.pause_s, faults.partition_s, faults.storm_s, faults.read_error_s,
      faults.full_disk_s, faults.slow_disk_s, faults.damage_s, faults.transfer_s,
      faults.membership_s, faults.compaction_s, faults.coup, faults.cut_install, batch_scale,
      weather.late_vote, weather.damaged_chunk, register_clients, portals);
}

}  // namespace matricula::sim
