#include "common/rpc/bidi_call.h"

#include <utility>

namespace matricula::rpc {
namespace {

// A message larger than this does not keep its memory for the next one.
constexpr size_t kMaxKeptMessageBytes = 64 << 10;

// What a handler holds; when its last copy goes, the stream must not stay open unfinished.
class Handle final : public TwoWayStream {
 public:
  explicit Handle(std::shared_ptr<BidiCall> call) : call_(std::move(call)) {}
  ~Handle() override { call_->End({base::Code::kInternal, "the stream was dropped"}); }

  void Read(Received received) override { call_->Read(std::move(received)); }
  SendResult Send(const google::protobuf::MessageLite& message) override {
    return call_->Send(message);
  }
  void OnWritable(Continuation writable) override { call_->OnWritable(std::move(writable)); }
  void Finish(const base::Status& status) override { call_->End(status); }
  void OnClosed(Continuation closed) override { call_->OnClosed(std::move(closed)); }

 private:
  const std::shared_ptr<BidiCall> call_;
};

}  // namespace

void BidiMethod::PostSlot(ServerCore& core) {
  std::make_shared<BidiCall>(core.shared_from_this(), *this)->Post();
}

BidiCall::BidiCall(std::shared_ptr<ServerCore> core, BidiMethod& method)
    : StreamCall(std::move(core), method, /*metered=*/true),
      bidi_method_(method),
      message_(method.NewRequest()) {}

void BidiCall::Post() {
  Prepare();
  stream_.emplace(context_.Get());
  core_->table().RequestBidi(bidi_method_.index(), context_.Get(), &*stream_, core_->queue(),
                             call_tag());
}

void BidiCall::OnCall(bool ok) {
  if (!Enter(ok)) return;
  core_->Track(this);
  auto self = std::static_pointer_cast<BidiCall>(shared_from_this());
  bidi_method_.handler()(context_, std::make_shared<Handle>(std::move(self)));
}

void BidiCall::Read(TwoWayStream::Received received) {
  // If the stream is closed, `received` is destroyed on the way out, without the lock.
  base::MutexLock lock(mutex_);
  if (!Open()) return;
  ENSURE(!reading_, "one message is read at a time");
  reading_ = true;
  received_ = std::move(received);
  stream_->Read(&incoming_, static_cast<Tag*>(&read_tag_));
}

bool BidiCall::TakeMessage() {
  if (message_bytes_ > kMaxKeptMessageBytes) message_ = bidi_method_.NewRequest();
  message_bytes_ = incoming_.Length();
  return ParseMessage(incoming_, *message_);
}

void BidiCall::OnRead(bool ok) {
  TwoWayStream::Received received;
  bool wanted = false;
  {
    base::MutexLock lock(mutex_);
    reading_ = false;
    received = std::exchange(received_, nullptr);
    wanted = Open();
  }
  if (wanted && ok && !TakeMessage()) {
    End({base::Code::kInvalidArgument, "the message is not a valid " + message_->GetTypeName()});
    wanted = false;
  }
  if (wanted) std::move(received)(ok ? message_.get() : nullptr);
  received = nullptr;  // what it captured may end the stream
  LeaveIfDone();
}

SendResult BidiCall::Send(const google::protobuf::MessageLite& message) {
  grpc::ByteBuffer bytes = SerializeMessage(message);
  base::MutexLock lock(mutex_);
  if (!Open() || broken()) return SendResult::kClosed;
  // One message always fits, however large: otherwise it could never be sent.
  const bool empty = queue_.empty() && !writing_;
  const bool fits =
      queue_.size() < kMaxQueuedMessages && queued_bytes_ + bytes.Length() <= kMaxQueuedBytes;
  if (!empty && !fits) return SendResult::kFull;
  if (!core_->ReserveQueued(bytes.Length(), /*force=*/empty)) {
    starved_ = true;
    return SendResult::kFull;
  }
  starved_ = false;
  Enqueue(bytes);
  Advance();
  return SendResult::kQueued;
}

bool BidiCall::Writable() const {
  // What all streams share may stay used up for long; an empty queue always takes a message.
  if (starved_) return queue_.empty() && !writing_;
  return queue_.size() <= kMaxQueuedMessages / 2 && queued_bytes_ <= kMaxQueuedBytes / 2;
}

void BidiCall::OnWritable(Continuation writable) {
  base::MutexLock lock(mutex_);
  if (!Open()) return;
  ENSURE(writable_ == nullptr, "one waits for the queue at a time");
  writable_ = std::move(writable);
  if (!Writable()) return;
  auto self = std::static_pointer_cast<BidiCall>(shared_from_this());
  core_->loop().Run([self = std::move(self)] { self->CheckWritable(); });
}

void BidiCall::CheckWritable() {
  Continuation writable;
  {
    base::MutexLock lock(mutex_);
    if (!Open() || !Writable() || writable_ == nullptr) return;
    writable = std::exchange(writable_, nullptr);
  }
  std::move(writable)();
}

void BidiCall::End(const base::Status& status) {
  {
    base::MutexLock lock(mutex_);
    if (Open() && !status.ok()) DropQueue();
  }
  Finish(status);
}

void BidiCall::AfterWrite(Deferred& deferred) {
  if (writable_ == nullptr) return;
  if (!Open() || broken()) {
    deferred.drop.push_back(std::exchange(writable_, nullptr));
  } else if (Writable()) {
    deferred.run.push_back(std::exchange(writable_, nullptr));
  }
}

void BidiCall::AfterEnd(Deferred& deferred) {
  if (writable_ != nullptr) deferred.drop.push_back(std::exchange(writable_, nullptr));
}

}  // namespace matricula::rpc
