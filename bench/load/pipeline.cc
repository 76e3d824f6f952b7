#include "bench/load/pipeline.h"

#include <utility>

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/impl/rpc_method.h>

#include "common/base/status.h"

namespace matricula::bench {
namespace {

// How long after the window's end answers are waited for.
constexpr int64_t kPatienceMs = 10'000;

using Reader = grpc::ClientAsyncResponseReader<grpc::ByteBuffer>;

}  // namespace

struct Pipeline::Call {
  Call(std::shared_ptr<grpc::Channel> used, const std::string& path)
      : channel(std::move(used)),
        method(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC, channel) {}

  const std::shared_ptr<grpc::Channel> channel;
  const grpc::internal::RpcMethod method;
  std::optional<grpc::ClientContext> context;
  grpc::ByteBuffer response;
  grpc::Status status;
  int64_t start_ns = 0;
};

Pipeline::Pipeline(const CallSeries& calls, std::vector<std::shared_ptr<grpc::Channel>> channels,
                   int in_flight, std::atomic<uint64_t>* next_number)
    : series_(calls), channels_(std::move(channels)), next_number_(next_number) {
  for (int i = 0; i < in_flight; ++i) {
    calls_.push_back(std::make_unique<Call>(channels_[i % channels_.size()], series_.method));
  }
}

Pipeline::~Pipeline() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool Pipeline::Start(Call& call) {
  const int64_t now_ns = NowNs();
  if (now_ns >= window_.measure_until_ns) return false;
  const uint64_t number = next_number_->fetch_add(1, std::memory_order_relaxed);
  if (number >= window_.max_calls) return false;
  call.context.emplace();
  call.start_ns = now_ns;
  // What a generated stub does, but with bytes: the client must not be what limits the rate.
  Reader* reader =
      grpc::internal::ClientAsyncResponseReaderHelper::Create<grpc::ByteBuffer, grpc::ByteBuffer>(
          call.channel.get(), &queue_, call.method, &*call.context, series_.request(number));
  reader->StartCall();
  reader->Finish(&call.response, &call.status, &call);
  return true;
}

Tally Pipeline::Run(const Window& window) {
  window_ = window;
  Tally tally;
  size_t under_way = 0;
  for (const auto& call : calls_) under_way += Start(*call) ? 1 : 0;
  while (under_way > 0) {
    const int64_t left_ms = (window.measure_until_ns - NowNs()) / 1'000'000 + kPatienceMs;
    const gpr_timespec deadline = window.measure_until_ns == INT64_MAX || cancelled_
                                      ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
                                      : gpr_time_from_millis(left_ms, GPR_TIMESPAN);
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) {
      cancelled_ = true;
      for (const auto& call : calls_) {
        if (call->context.has_value()) call->context->TryCancel();
      }
      continue;
    }
    Call& call = *static_cast<Call*>(tag);
    Note(call, tally);
    if (!Start(call)) {
      call.context.reset();
      --under_way;
    }
  }
  return tally;
}

void Pipeline::Note(Call& call, Tally& tally) {
  const int64_t now_ns = NowNs();
  const bool counts = call.start_ns >= window_.measure_from_ns &&
                      (now_ns <= window_.measure_until_ns || cancelled_);
  if (counts && cancelled_) {
    ++tally.errors["unanswered"];
  } else if (counts) {
    Judge(call, tally);
    if (call.status.ok()) tally.latency.Add(now_ns - call.start_ns);
  }
  call.response.Clear();
}

void Pipeline::Judge(Call& call, Tally& tally) {
  if (!call.status.ok()) {
    const auto code = static_cast<base::Code>(call.status.error_code());
    ++tally.errors[std::string(base::CodeName(code))];
    return;
  }
  const std::string_view wrong = series_.judge(call.response);
  if (!wrong.empty()) ++tally.errors[std::string(wrong)];
}

}  // namespace matricula::bench
