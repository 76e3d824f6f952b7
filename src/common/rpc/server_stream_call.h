#pragma once

#include <memory>

#include <google/protobuf/message.h>

#include "common/rpc/stream_call.h"

namespace matricula::rpc {

class ServerStreamMethod final : public RegisteredMethod {
 public:
  using Handler = absl::AnyInvocable<void(google::protobuf::MessageLite&, const CallContext&,
                                          std::shared_ptr<OutgoingStream>)>;

  ServerStreamMethod(std::string_view name, int index, const google::protobuf::Message* request,
                     Handler handler)
      : RegisteredMethod(name), index_(index), request_(request), handler_(std::move(handler)) {}

  int index() const { return index_; }
  Handler& handler() { return handler_; }
  std::unique_ptr<google::protobuf::Message> NewRequest() const {
    return std::unique_ptr<google::protobuf::Message>(request_->New());
  }

  void PostSlot(ServerCore& core) override;
  void Release() override { handler_ = nullptr; }

 private:
  const int index_;
  const google::protobuf::Message* const request_;
  Handler handler_;
};

// One request, then pages of answers as fast as the client takes them.
class ServerStreamCall final : public StreamCall {
 public:
  ServerStreamCall(std::shared_ptr<ServerCore> core, ServerStreamMethod& method);

  void Post();

  // Any thread.
  void Write(const OutgoingStream::Messages& batch, Continuation next) EXCLUDES(mutex_);

 private:
  Writer& writer() override { return *stream_; }
  void StartFinish(const grpc::Status& status, Tag* tag) override { stream_->Finish(status, tag); }
  void OnCall(bool ok) override;
  void AfterWrite(Deferred& deferred) override REQUIRES(mutex_);
  void AfterEnd(Deferred& deferred) override REQUIRES(mutex_);

  ServerStreamMethod& stream_method_;
  std::optional<grpc::ServerAsyncWriter<grpc::ByteBuffer>> stream_;
  grpc::ByteBuffer bytes_;
  std::unique_ptr<google::protobuf::Message> request_;
  Continuation next_ GUARDED_BY(mutex_);  // set while a page is being written
};

}  // namespace matricula::rpc
