#include "common/rpc/stream_call.h"

#include <utility>

#include "common/rpc/grpc_status.h"

namespace matricula::rpc {

StreamCall::StreamCall(std::shared_ptr<ServerCore> core, RegisteredMethod& method, bool metered)
    : core_(std::move(core)), method_(method), metered_(metered) {}

void StreamCall::Prepare() {
  self_ = shared_from_this();
  context_.Reset(static_cast<Tag*>(&end_tag_));
  core_->SlotPosted();
}

bool StreamCall::Enter(bool ok) {
  core_->SlotCameBack(method_, ok);
  if (!ok) {  // the server stops; without a call there is no end to wait for
    self_.reset();
    return false;
  }
  start_ns_ = core_->Begin(method_);
  const base::Status refused = core_->EnterStream();
  if (!refused.ok()) Finish(refused);
  return refused.ok();
}

void StreamCall::Finish(const base::Status& status) {
  base::MutexLock lock(mutex_);
  if (!Open()) return;
  finish_ = status;
  Advance();
}

void StreamCall::OnClosed(Continuation closed) {
  {
    base::MutexLock lock(mutex_);
    if (!over_) {
      ENSURE(closed_ == nullptr, "a stream's end is told to one");
      closed_ = std::move(closed);
      return;
    }
  }
  std::move(closed)();
}

void StreamCall::Enqueue(grpc::ByteBuffer& message) {
  queued_bytes_ += message.Length();
  queue_.emplace_back().Swap(&message);
}

void StreamCall::Dequeued(size_t bytes) {
  queued_bytes_ -= bytes;
  if (metered_) core_->ReleaseQueued(bytes);
}

void StreamCall::DropQueue() {
  queue_.clear();
  Dequeued(queued_bytes_ - writing_bytes_);
}

void StreamCall::Advance() {
  if (writing_ || finishing_ || over_ || broken_) return;
  if (!queue_.empty()) {
    grpc::ByteBuffer message;
    message.Swap(&queue_.front());
    queue_.pop_front();
    writing_ = true;
    writing_bytes_ = message.Length();
    grpc::WriteOptions options;
    // More is coming: gRPC may wait with the system call. But never at the start: a first message
    // travels with the headers, whose sending gRPC would then wait for without starting it.
    if (!queue_.empty() && headers_sent_) options.set_buffer_hint();
    writer().Write(message, options, static_cast<Tag*>(&written_tag_));
    return;
  }
  if (finish_.has_value()) {
    finishing_ = true;
    StartFinish(ToGrpc(*finish_), &finished_tag_);
  }
}

void StreamCall::OnWritten(bool ok) {
  Deferred deferred;
  {
    base::MutexLock lock(mutex_);
    writing_ = false;
    headers_sent_ = true;
    Dequeued(std::exchange(writing_bytes_, 0));
    broken_ = broken_ || !ok;  // the end will be told by OnEnd
    if (broken_) DropQueue();
    AfterWrite(deferred);
    Advance();
  }
  for (Continuation& task : deferred.run) std::move(task)();
  LeaveIfDone();
}

void StreamCall::OnFinished(bool) {
  {
    base::MutexLock lock(mutex_);
    finishing_ = false;
  }
  LeaveIfDone();
}

void StreamCall::OnEnd(bool) {
  context_.NoteEnd();
  Deferred deferred;
  base::Code code = base::Code::kCancelled;
  {
    base::MutexLock lock(mutex_);
    if (!context_.Cancelled() && finish_.has_value()) code = finish_->code();
    over_ = true;
    DropQueue();
    AfterEnd(deferred);
    if (closed_ != nullptr) deferred.run.push_back(std::exchange(closed_, nullptr));
  }
  core_->Report(method_, code, start_ns_);
  for (Continuation& task : deferred.run) std::move(task)();
  LeaveIfDone();
}

void StreamCall::LeaveIfDone() {
  {
    base::MutexLock lock(mutex_);
    if (!over_ || writing_ || finishing_ || Busy() || self_ == nullptr) return;
  }
  OnLeave();
  const std::shared_ptr<StreamCall> self = std::move(self_);
  core_->LeaveStream();
}

}  // namespace matricula::rpc
