#include "common/rpc/grpc_call_context.h"

#include <grpc/support/time.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

namespace matricula::rpc {

std::optional<std::string_view> GrpcCallContext::Metadata(std::string_view key) const {
  const auto& all = context_->client_metadata();
  const auto found = all.find(grpc::string_ref(key.data(), key.size()));
  if (found == all.end()) return std::nullopt;
  return std::string_view(found->second.data(), found->second.size());
}

std::string GrpcCallContext::Peer() const { return context_->peer(); }

int64_t GrpcCallContext::DeadlineNs() const {
  const gpr_timespec deadline = context_->raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return kNoDeadlineNs;
  // gRPC's monotonic clock is the system's, the one that base::SystemClock() reads.
  const gpr_timespec monotonic = gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC);
  return monotonic.tv_sec * 1'000'000'000 + monotonic.tv_nsec;
}

void GrpcCallContext::Reset(void* done_tag) {
  context_.reset();
  cancelled_.store(false, std::memory_order_relaxed);
  context_.emplace();
  context_->AsyncNotifyWhenDone(done_tag);
}

bool ParseMessage(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  grpc::ProtoBufferReader reader(&bytes);
  const bool parsed = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  bytes.Clear();
  return parsed;
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::MessageLite& message) {
  grpc::ByteBuffer bytes;
  bool own = false;
  // Cannot fail: proto3 has no required fields, and the sender checks nothing else.
  const grpc::Status status =
      grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::MessageLite>(message,
                                                                                     &bytes, &own);
  ENSURE(status.ok(), "a message of ours can be serialised");
  return bytes;
}

}  // namespace matricula::rpc
