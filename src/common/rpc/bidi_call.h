#pragma once

#include <memory>

#include <google/protobuf/message.h>

#include "common/rpc/stream_call.h"

namespace matricula::rpc {

class BidiMethod final : public RegisteredMethod {
 public:
  using Handler = absl::AnyInvocable<void(const CallContext&, std::shared_ptr<TwoWayStream>)>;

  BidiMethod(std::string_view name, int index, const google::protobuf::Message* request,
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

// A conversation: one read at a time, and a bounded queue of what is to be sent.
class BidiCall final : public StreamCall {
 public:
  BidiCall(std::shared_ptr<ServerCore> core, BidiMethod& method);

  void Post();

  // Any thread.
  void Read(TwoWayStream::Received received) EXCLUDES(mutex_);
  SendResult Send(const google::protobuf::MessageLite& message) EXCLUDES(mutex_);
  void OnWritable(Continuation writable) EXCLUDES(mutex_);
  // An ok status ends the stream after what is queued; an error drops the queue.
  void End(const base::Status& status) EXCLUDES(mutex_);

 private:
  Writer& writer() override { return *stream_; }
  void StartFinish(const grpc::Status& status, Tag* tag) override { stream_->Finish(status, tag); }
  void OnCall(bool ok) override;
  void AfterWrite(Deferred& deferred) override REQUIRES(mutex_);
  void AfterEnd(Deferred& deferred) override REQUIRES(mutex_);
  bool Busy() override REQUIRES(mutex_) { return reading_; }
  void OnLeave() override { core_->Untrack(this); }

  bool Writable() const REQUIRES(mutex_);
  void CheckWritable() EXCLUDES(mutex_);
  void OnRead(bool ok) EXCLUDES(mutex_);
  // Parses what has been read; false: it is no message of that type.
  bool TakeMessage();

  BidiMethod& bidi_method_;
  std::optional<grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream_;
  grpc::ByteBuffer incoming_;
  std::unique_ptr<google::protobuf::Message> message_;  // of the loop
  size_t message_bytes_ = 0;
  bool reading_ GUARDED_BY(mutex_) = false;
  bool starved_ GUARDED_BY(mutex_) = false;  // the last message found no room among all streams
  TwoWayStream::Received received_ GUARDED_BY(mutex_);
  Continuation writable_ GUARDED_BY(mutex_);
  MemberTag<BidiCall, &BidiCall::OnRead> read_tag_{this};
};

}  // namespace matricula::rpc
