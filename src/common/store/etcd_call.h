#pragma once

#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <memory>
#include <utility>

#include "common/base/done.h"
#include "common/store/etcd_engine.h"
#include "common/store/etcd_judge.h"
#include "common/store/etcd_scout.h"

namespace matricula::store {

// A read that can go to another server gives up on a silent one after this long.
inline constexpr int64_t kReadAttemptMs = 2'000;

struct EtcdCallOptions {
  CallKind kind = CallKind::kRead;
  int64_t timeout_ms = 0;
  // A server that knows no leader refuses at once instead of letting us wait.
  bool needs_leader = true;
};

// An operation with one answer: tried until it succeeds, is refused for good, may have taken
// effect, or its time is over.
template <class Response>
class EtcdCall : public EtcdOperation {
 public:
  EtcdCall(EtcdEngine& engine, const EtcdCallOptions& options, base::Done<Response> done)
      : EtcdOperation(engine, options.timeout_ms), options_(options), done_(std::move(done)) {}

  // Tells the caller; for a call that the engine did not take on.
  void Refuse(const base::Status& status) {
    // A closing store is, to whoever asks it, a store that cannot be reached.
    const bool closes = status.code() == base::Code::kCancelled;
    std::move(done_)(closes ? base::Status(base::Code::kUnavailable, status.message()) : status);
  }

 protected:
  // Deadline and metadata of an attempt.
  void PrepareContext() {
    SetAttemptDeadline(options_.kind == CallKind::kRead ? kReadAttemptMs : 0);
    if (options_.needs_leader) {
      RequireLeader();
    }
  }

  void AttemptEnded(const grpc::Status& answer, Response& response) {
    const Judgement judgement = Judge(options_.kind, answer);
    if (judgement.verdict == Verdict::kOk) {
      if (EtcdScout* scout = engine_.scout()) scout->Note(*endpoint_, response.header());
      Finished();
      std::move(done_)(std::move(response));
      return;
    }
    const int64_t delay_ms = NextDelayMs();
    if (judgement.verdict == Verdict::kRetry && delay_ms < RemainingMs()) {
      refusal_ = judgement.status;
      RetryLater(judgement.suspect_server, delay_ms);
      return;
    }
    if (judgement.suspect_server) {
      SuspectServer();
    }
    Finished();
    std::move(done_)(judgement.status);
  }

 private:
  void Abandon(const base::Status& status) override {
    Finished();
    // Why the last server refused says more than that the time is over.
    Refuse(refusal_.ok() || status.code() == base::Code::kCancelled ? status : refusal_);
  }

  const EtcdCallOptions options_;
  base::Done<Response> done_;
  base::Status refusal_;  // of the last attempt
};

template <class Request, class Response>
class EtcdUnary final : public EtcdCall<Response> {
 public:
  using Reader = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>>;
  using Prepare = Reader (*)(EtcdEndpoint&, grpc::ClientContext*, const Request&,
                             grpc::CompletionQueue*);

  EtcdUnary(EtcdEngine& engine, const EtcdCallOptions& options, Prepare prepare, Request request,
            base::Done<Response> done)
      : EtcdCall<Response>(engine, options, std::move(done)),
        prepare_(prepare),
        request_(std::move(request)),
        answered_(engine, [this](bool) { OnAnswer(); }) {}

 private:
  void Attempt(EtcdEndpoint& endpoint) override {
    this->PrepareContext();
    response_.Clear();
    reader_ = prepare_(endpoint, this->context_.get(), request_, this->engine_.queue());
    reader_->StartCall();
    reader_->Finish(&response_, &answer_, answered_.Arm(this->shared_from_this()));
  }

  void OnAnswer() {
    reader_.reset();  // lives in memory of the context, which the next attempt replaces
    this->AttemptEnded(answer_, response_);
  }

  const Prepare prepare_;
  const Request request_;
  EtcdEvent answered_;
  Reader reader_;
  Response response_;
  grpc::Status answer_;
};

// One keep-alive of one lease, on a stream of its own: send, receive, finish.
class EtcdKeepAlive final : public EtcdCall<etcdserverpb::LeaseKeepAliveResponse> {
 public:
  EtcdKeepAlive(EtcdEngine& engine, const EtcdCallOptions& options, int64_t lease_id,
                base::Done<etcdserverpb::LeaseKeepAliveResponse> done);

 private:
  void Attempt(EtcdEndpoint& endpoint) override;
  void OnStarted(bool ok);
  void OnWritten(bool ok);
  void OnRead(bool ok);
  void Finish();
  void OnFinished();

  etcdserverpb::LeaseKeepAliveRequest request_;
  EtcdEvent started_, written_, read_, finished_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<etcdserverpb::LeaseKeepAliveRequest,
                                                etcdserverpb::LeaseKeepAliveResponse>>
      stream_;
  etcdserverpb::LeaseKeepAliveResponse response_;
  bool answered_ = false;
  grpc::Status answer_;
};

}  // namespace matricula::store
