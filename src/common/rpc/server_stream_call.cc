#include "common/rpc/server_stream_call.h"

#include <utility>

namespace matricula::rpc {
namespace {

// What a handler holds; when its last copy goes, the stream must not stay open unfinished.
class Handle final : public OutgoingStream {
 public:
  explicit Handle(std::shared_ptr<ServerStreamCall> call) : call_(std::move(call)) {}
  ~Handle() override { call_->Finish({base::Code::kInternal, "the stream was dropped"}); }

  void Write(const Messages& batch, Continuation next) override {
    call_->Write(batch, std::move(next));
  }
  void Finish(const base::Status& status) override { call_->Finish(status); }
  void OnClosed(Continuation closed) override { call_->OnClosed(std::move(closed)); }

 private:
  const std::shared_ptr<ServerStreamCall> call_;
};

}  // namespace

void ServerStreamMethod::PostSlot(ServerCore& core) {
  std::make_shared<ServerStreamCall>(core.shared_from_this(), *this)->Post();
}

ServerStreamCall::ServerStreamCall(std::shared_ptr<ServerCore> core, ServerStreamMethod& method)
    : StreamCall(std::move(core), method, /*metered=*/false),
      stream_method_(method),
      request_(method.NewRequest()) {}

void ServerStreamCall::Post() {
  Prepare();
  stream_.emplace(context_.Get());
  core_->table().RequestServerStream(stream_method_.index(), context_.Get(), &bytes_, &*stream_,
                                     core_->queue(), call_tag());
}

void ServerStreamCall::OnCall(bool ok) {
  if (!Enter(ok)) return;
  if (!ParseMessage(bytes_, *request_)) {
    Finish({base::Code::kInvalidArgument, "the request is not a valid " + request_->GetTypeName()});
    return;
  }
  auto self = std::static_pointer_cast<ServerStreamCall>(shared_from_this());
  stream_method_.handler()(*request_, context_, std::make_shared<Handle>(std::move(self)));
}

void ServerStreamCall::Write(const OutgoingStream::Messages& batch, Continuation next) {
  ENSURE(!batch.empty(), "a page has messages");
  std::vector<grpc::ByteBuffer> messages;
  messages.reserve(batch.size());
  for (const google::protobuf::MessageLite* message : batch) {
    messages.push_back(SerializeMessage(*message));
  }
  // If the stream is closed, `next` is destroyed on the way out, without the lock.
  base::MutexLock lock(mutex_);
  if (!Open()) return;
  ENSURE(next_ == nullptr, "one page is written at a time");
  next_ = std::move(next);
  for (grpc::ByteBuffer& message : messages) Enqueue(message);
  Advance();
}

void ServerStreamCall::AfterWrite(Deferred& deferred) {
  if (!queue_.empty() || next_ == nullptr) return;
  const bool wanted = Open() && !broken();
  auto& place = wanted ? deferred.run : deferred.drop;
  place.push_back(std::exchange(next_, nullptr));
}

void ServerStreamCall::AfterEnd(Deferred& deferred) {
  if (next_ != nullptr) deferred.drop.push_back(std::exchange(next_, nullptr));
}

}  // namespace matricula::rpc
