#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <google/protobuf/message.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/async_unary_call.h>

#include "common/rpc/call.h"
#include "common/rpc/grpc_call_context.h"
#include "common/rpc/server_core.h"
#include "common/rpc/tag.h"

namespace matricula::rpc {

class UnarySlot;

class UnaryMethod final : public RegisteredMethod {
 public:
  using Handler =
      absl::AnyInvocable<void(google::protobuf::MessageLite&, const CallContext&, UnaryCall*)>;

  UnaryMethod(std::string_view name, int index, const google::protobuf::Message* request,
              Handler handler);
  ~UnaryMethod() override;

  int index() const { return index_; }
  Handler& handler() { return handler_; }
  std::unique_ptr<google::protobuf::Message> NewRequest() const {
    return std::unique_ptr<google::protobuf::Message>(request_->New());
  }

  bool unary() const override { return true; }
  void PostSlot(ServerCore& core) override;
  void Recycle(std::unique_ptr<UnarySlot> slot);
  void Release() override;

 private:
  const int index_;
  const google::protobuf::Message* const request_;
  Handler handler_;
  std::vector<std::unique_ptr<UnarySlot>> idle_;
};

// One unary call after another. Between calls the slot keeps its memory, the parsed request's
// included, so that a steady load allocates almost nothing of ours.
//
// The loop and whoever answers share it. The answerer owns `answer`; who wins the exchange on
// `state_` decides: answered first, gRPC sends it and the loop recycles the slot when both the
// sending and the call have ended; ended first (the client is gone), the loop forgets the slot and
// the answerer deletes it.
class UnarySlot final : public UnaryCall {
 public:
  UnarySlot(std::shared_ptr<ServerCore> core, UnaryMethod& method);
  ~UnarySlot() = default;
  UnarySlot(const UnarySlot&) = delete;
  UnarySlot& operator=(const UnarySlot&) = delete;

  // Waits for a call; the slot owns itself until it is recycled.
  void Post();

  // UnaryCall; any thread.
  void Finish(const google::protobuf::MessageLite& response) override;
  void Fail(const base::Status& status) override;

 private:
  enum class State : uint8_t { kOpen, kAnswered, kAbandoned };
  using Writer = grpc::ServerAsyncResponseWriter<google::protobuf::MessageLite>;

  bool ClaimAnswer(base::Code code);
  void Admit();
  void OnCall(bool ok);
  void OnSent(bool ok);
  void OnEnd(bool ok);
  void Leave();

  const std::shared_ptr<ServerCore> core_;
  UnaryMethod& method_;
  GrpcCallContext context_;
  std::optional<Writer> writer_;
  grpc::ByteBuffer bytes_;
  std::unique_ptr<google::protobuf::Message> request_;
  size_t request_bytes_ = 0;
  int64_t start_ns_ = 0;
  bool sent_ = false;
  bool ended_ = false;
  std::atomic<State> state_{State::kOpen};
  std::atomic<base::Code> code_{base::Code::kOk};
  MemberTag<UnarySlot, &UnarySlot::OnCall> call_tag_{this};
  MemberTag<UnarySlot, &UnarySlot::OnSent> sent_tag_{this};
  MemberTag<UnarySlot, &UnarySlot::OnEnd> end_tag_{this};
};

}  // namespace matricula::rpc
