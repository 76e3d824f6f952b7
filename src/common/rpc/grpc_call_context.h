#pragma once

#include <atomic>
#include <optional>
#include <string>

#include <google/protobuf/message_lite.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include "common/rpc/call.h"

namespace matricula::rpc {

// gRPC's context of a call, made afresh for every call that passes through a slot.
class GrpcCallContext final : public CallContext {
 public:
  std::optional<std::string_view> Metadata(std::string_view key) const override;
  std::string Peer() const override;
  int64_t DeadlineNs() const override;
  bool Cancelled() const override { return cancelled_.load(std::memory_order_acquire); }

  // A new context whose end is reported to `done_tag` (if the call ever begins).
  void Reset(void* done_tag);
  grpc::ServerContext* Get() { return &*context_; }
  // To be called when `done_tag` came back: only then does gRPC know how the call ended.
  void NoteEnd() { cancelled_.store(context_->IsCancelled(), std::memory_order_release); }

 private:
  std::optional<grpc::ServerContext> context_;
  std::atomic<bool> cancelled_{false};
};

// Parses what came over the wire and lets go of the bytes. False: not a message of that type.
bool ParseMessage(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);
grpc::ByteBuffer SerializeMessage(const google::protobuf::MessageLite& message);

}  // namespace matricula::rpc
