#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>

#include "bench/load/histogram.h"
#include "bench/load/workload.h"
#include "common/base/clock.h"

namespace matricula::bench {

// What one pipeline saw within the window of measurement.
struct Tally {
  Histogram latency;  // of what succeeded
  std::map<std::string, uint64_t, std::less<>> errors;
};

// When calls are started and which of them count, in nanoseconds of the monotonic clock.
struct Window {
  int64_t measure_from_ns = 0;
  int64_t measure_until_ns = INT64_MAX;  // no call is started after this
  uint64_t max_calls = UINT64_MAX;
};

// Keeps `in_flight` calls of one series under way on its own completion queue: whenever one is
// answered the next is started, over the channels in turn. One thread.
class Pipeline {
 public:
  // `next_number` is shared by all pipelines of a run: every call has a number of its own.
  Pipeline(const CallSeries& calls, std::vector<std::shared_ptr<grpc::Channel>> channels,
           int in_flight, std::atomic<uint64_t>* next_number);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Returns when all calls are answered; what is not answered in time after the window's end is
  // cancelled and counts as "unanswered".
  Tally Run(const Window& window);

 private:
  struct Call;

  bool Start(Call& call);
  void Judge(Call& call, Tally& tally);
  void Note(Call& call, Tally& tally);
  int64_t NowNs() const { return base::SystemClock().MonotonicNs(); }

  const CallSeries& series_;
  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::atomic<uint64_t>* const next_number_;
  Window window_;
  bool cancelled_ = false;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Call>> calls_;
};

}  // namespace matricula::bench
