#include "roles/ctl/import_pipeline.h"

#include <algorithm>
#include <utility>

#include "common/base/ensure.h"
#include "common/rpc/channel.h"

namespace matricula::ctl {
namespace {

// Before a call is made again: doubles from the first to the second.
constexpr int64_t kFirstPauseMs = 50;
constexpr int64_t kLongestPauseMs = 2'000;

// Whether another attempt can have another end. With a request id, repeating does no harm.
bool IsPassing(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct ImportPipeline::Call {
  int64_t line = 0;
  std::unique_ptr<google::protobuf::Message> request;
  std::string request_id;

  // Of the attempt under way; no context: waiting for `due_ms`.
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<ImportKind::Answer> reader;
  project::Status answer;
  grpc::Status status;

  int64_t pause_ms = kFirstPauseMs;
  int64_t due_ms = 0;
};

ImportPipeline::ImportPipeline(PortalClient& client, const ImportKind& kind,
                               const PipelineLimits& limits, const base::Clock& clock)
    : client_(client),
      kind_(kind),
      limits_(limits),
      clock_(clock),
      last_answer_ms_(clock.MonotonicMs()) {}

ImportPipeline::~ImportPipeline() {
  for (const auto& [call, owner] : calls_) {
    if (call->context != nullptr) call->context->TryCancel();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void ImportPipeline::Submit(int64_t line, std::unique_ptr<google::protobuf::Message> request,
                            std::string request_id) {
  ENSURE(!full() && !broken(), "a line is submitted when there is room");
  if (empty()) last_answer_ms_ = clock_.MonotonicMs();
  auto call = std::make_unique<Call>();
  call->line = line;
  call->request = std::move(request);
  call->request_id = std::move(request_id);
  Start(*call);
  calls_.emplace(call.get(), std::move(call));
}

void ImportPipeline::Start(Call& call) {
  call.context = std::make_unique<grpc::ClientContext>();
  rpc::SetDeadline(*call.context, limits_.call_timeout_ms);
  call.context->AddMetadata("x-request-id", call.request_id);
  call.reader = kind_.start(client_, call.context.get(), *call.request, &queue_);
  call.reader->Finish(&call.answer, &call.status, &call);
}

void ImportPipeline::Wait(int64_t wait_ms, const std::function<void(const LineAnswer&)>& take) {
  if (broken_) GiveUpWaiting(take);
  StartWhatIsDue();
  void* tag = nullptr;
  bool ok = false;
  int64_t left_ms = UntilNextStart(wait_ms);
  while (!calls_.empty() &&
         queue_.AsyncNext(&tag, &ok, After(left_ms)) == grpc::CompletionQueue::GOT_EVENT) {
    Handle(*static_cast<Call*>(tag), take);
    left_ms = 0;  // and whatever else has happened by now
  }
}

void ImportPipeline::StartWhatIsDue() {
  if (waiting_ == 0) return;
  const int64_t now_ms = clock_.MonotonicMs();
  for (const auto& [call, owner] : calls_) {
    if (call->context == nullptr && call->due_ms <= now_ms) {
      Start(*call);
      --waiting_;
    }
  }
}

int64_t ImportPipeline::UntilNextStart(int64_t wait_ms) const {
  if (waiting_ == 0) return wait_ms;
  const int64_t now_ms = clock_.MonotonicMs();
  for (const auto& [call, owner] : calls_) {
    if (call->context == nullptr) {
      wait_ms = std::clamp<int64_t>(call->due_ms - now_ms, 0, wait_ms);
    }
  }
  return wait_ms;
}

void ImportPipeline::Handle(Call& call, const std::function<void(const LineAnswer&)>& take) {
  call.reader.reset();
  call.context.reset();
  if (!call.status.ok()) {
    RetryOrBreak(call);
    return;
  }
  last_answer_ms_ = clock_.MonotonicMs();
  const bool done = call.answer.status() == 0;
  take({call.line, done ? LineAnswer::Kind::kDone : LineAnswer::Kind::kRefused, call.answer.msg()});
  calls_.erase(&call);
}

void ImportPipeline::RetryOrBreak(Call& call) {
  const int64_t now_ms = clock_.MonotonicMs();
  const bool patient = now_ms - last_answer_ms_ < limits_.patience_ms;
  if (!IsPassing(call.status) || !patient) Break(call.status);
  ++waiting_;
  call.due_ms = now_ms + call.pause_ms;
  call.pause_ms = std::min(2 * call.pause_ms, kLongestPauseMs);
}

void ImportPipeline::Break(const grpc::Status& status) {
  if (std::exchange(broken_, true)) return;
  trouble_ = status;
  for (const auto& [call, owner] : calls_) {
    if (call->context != nullptr) call->context->TryCancel();
  }
}

// Of a broken pipeline: the calls that have no attempt under way.
void ImportPipeline::GiveUpWaiting(const std::function<void(const LineAnswer&)>& take) {
  for (auto it = calls_.begin(); it != calls_.end();) {
    if (it->first->context == nullptr) {
      take({it->first->line, LineAnswer::Kind::kNone, ""});
      it = calls_.erase(it);
      --waiting_;
    } else {
      ++it;
    }
  }
}

}  // namespace matricula::ctl
