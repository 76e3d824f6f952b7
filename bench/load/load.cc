#include "bench/load/load.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <grpc/support/time.h>
#include <nlohmann/json.hpp>

#include "common/rpc/channel.h"

namespace matricula::bench {
namespace {

constexpr int kConnectTimeoutMs = 10'000;
// Calls in flight while the data is prepared.
constexpr int kPreparationInFlight = 256;

using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

base::Result<Channels> Connect(const LoadOptions& options) {
  Channels channels;
  for (int i = 0; i < options.connections; ++i) {
    rpc::ChannelOptions channel;
    channel.number = i;
    channels.push_back(rpc::MakeChannel(options.target, channel));
  }
  for (const auto& channel : channels) {
    if (!channel->WaitForConnected(gpr_time_from_millis(kConnectTimeoutMs, GPR_TIMESPAN))) {
      return base::Status(base::Code::kUnavailable, "cannot connect to " + options.target);
    }
  }
  return channels;
}

base::Status Prepare(const Workload& workload, const Channels& channels) {
  for (const Workload::Step& step : workload.preparation) {
    std::atomic<uint64_t> number{0};
    Pipeline pipeline(step.calls, channels, kPreparationInFlight, &number);
    Window window;
    window.max_calls = step.count;
    const Tally tally = pipeline.Run(window);
    if (!tally.errors.empty()) {
      return {base::Code::kUnavailable,
              "preparing with " + step.calls.method + " failed: " + tally.errors.begin()->first};
    }
  }
  return {};
}

Window MakeWindow(const LoadOptions& options, int64_t now_ns) {
  Window window;
  if (options.count > 0) {
    window.measure_from_ns = now_ns;
    window.max_calls = options.count;
    return window;
  }
  window.measure_from_ns = now_ns + static_cast<int64_t>(options.warm_up_s * 1e9);
  window.measure_until_ns = window.measure_from_ns + static_cast<int64_t>(options.duration_s * 1e9);
  return window;
}

double Microseconds(int64_t duration_ns) { return static_cast<double>(duration_ns / 100) / 10; }

}  // namespace

base::Result<Report> RunLoad(const LoadOptions& options) {
  auto workload = MakeWorkload(options.workload);
  if (!workload.ok()) return workload.status();
  auto channels = Connect(options);
  if (!channels.ok()) return channels.status();
  RETURN_IF_ERROR(Prepare(*workload, *channels));

  const int threads = std::clamp(options.threads, 1, options.in_flight);
  std::atomic<uint64_t> number{0};
  std::vector<std::unique_ptr<Pipeline>> pipelines;
  for (int i = 0; i < threads; ++i) {
    const int share = options.in_flight / threads + (i < options.in_flight % threads ? 1 : 0);
    pipelines.push_back(std::make_unique<Pipeline>(workload->calls, *channels, share, &number));
  }
  const int64_t start_ns = base::SystemClock().MonotonicNs();
  const Window window = MakeWindow(options, start_ns);
  std::vector<Tally> tallies(threads);
  std::vector<std::thread> runners;
  for (int i = 0; i < threads; ++i) {
    runners.emplace_back([&, i] { tallies[i] = pipelines[i]->Run(window); });
  }
  for (std::thread& runner : runners) runner.join();

  Report report;
  const int64_t end_ns = std::min(base::SystemClock().MonotonicNs(), window.measure_until_ns);
  report.seconds = static_cast<double>(end_ns - window.measure_from_ns) / 1e9;
  for (const Tally& tally : tallies) {
    report.tally.latency.Merge(tally.latency);
    for (const auto& [kind, count] : tally.errors) report.tally.errors[kind] += count;
  }
  return report;
}

std::string ToJson(const LoadOptions& options, const Report& report) {
  const Histogram& latency = report.tally.latency;
  nlohmann::ordered_json json;
  json["workload"] = options.workload.name;
  json["target"] = options.target;
  json["connections"] = options.connections;
  json["in_flight"] = options.in_flight;
  json["threads"] = options.threads;
  json["seconds"] = report.seconds;
  json["answers"] = latency.count();
  json["rate"] = static_cast<int64_t>(static_cast<double>(latency.count()) / report.seconds);
  json["p50_us"] = Microseconds(latency.PercentileNs(0.5));
  json["p90_us"] = Microseconds(latency.PercentileNs(0.9));
  json["p99_us"] = Microseconds(latency.PercentileNs(0.99));
  json["p999_us"] = Microseconds(latency.PercentileNs(0.999));
  json["max_us"] = Microseconds(latency.max_ns());
  json["errors"] = nlohmann::ordered_json::object();
  for (const auto& [kind, count] : report.tally.errors) json["errors"][kind] = count;
  return json.dump();
}

}  // namespace matricula::bench
