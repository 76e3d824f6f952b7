#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <grpcpp/support/async_stream.h>

#include "common/base/mutex.h"
#include "common/rpc/call.h"
#include "common/rpc/grpc_call_context.h"
#include "common/rpc/server_core.h"
#include "common/rpc/tag.h"

namespace matricula::rpc {

// The outgoing half that both kinds of streams share: a queue of serialised messages, at most one
// write on its way, then the end. gRPC allows one write and one end at a time, never after the call
// is over; `mutex_` keeps that order among all threads that use the handles. User code (callbacks,
// destructors of what they captured) runs only without it, because it may come back here.
//
// Life: the call holds on to itself (`self_`) from being posted until gRPC owes it nothing more;
// handles hold on to it besides.
class StreamCall : public std::enable_shared_from_this<StreamCall> {
 public:
  StreamCall(const StreamCall&) = delete;
  StreamCall& operator=(const StreamCall&) = delete;
  virtual ~StreamCall() = default;

  const CallContext& context() const { return context_; }

  // Any thread.
  void Finish(const base::Status& status) EXCLUDES(mutex_);
  void OnClosed(Continuation closed) EXCLUDES(mutex_);

 protected:
  using Writer = grpc::internal::AsyncWriterInterface<grpc::ByteBuffer>;

  // Metered: what is queued was reserved with the core, and is given back when it has gone.
  StreamCall(std::shared_ptr<ServerCore> core, RegisteredMethod& method, bool metered);

  // Makes the context ready and takes hold of itself; the derived class then asks gRPC for a call.
  void Prepare();
  Tag* call_tag() { return &call_tag_; }
  // Common to all streams when a call has come; false: there is none, or it was refused.
  bool Enter(bool ok);

  // What happens in a critical section and must be done, or destroyed, after it.
  struct Deferred {
    std::vector<Continuation> run;
    std::vector<Continuation> drop;
  };

  virtual Writer& writer() = 0;
  virtual void StartFinish(const grpc::Status& status, Tag* tag) = 0;
  virtual void OnCall(bool ok) = 0;
  // A write has come back, or the call is over.
  virtual void AfterWrite(Deferred& deferred) REQUIRES(mutex_) = 0;
  virtual void AfterEnd(Deferred& deferred) REQUIRES(mutex_) = 0;
  // Whether gRPC still owes an answer to an operation of the derived class.
  virtual bool Busy() REQUIRES(mutex_) { return false; }
  virtual void OnLeave() {}

  // Takes the message and leaves an empty one: a ByteBuffer cannot be moved, only swapped.
  void Enqueue(grpc::ByteBuffer& message) REQUIRES(mutex_);
  // Starts whatever is next: a write, or the end.
  void Advance() REQUIRES(mutex_);
  bool Open() const REQUIRES(mutex_) { return !over_ && !finish_.has_value(); }
  bool broken() const REQUIRES(mutex_) { return broken_; }  // a write failed: the end is near
  void DropQueue() REQUIRES(mutex_);
  // Lets the call go if gRPC owes it nothing. On the loop, last.
  void LeaveIfDone() EXCLUDES(mutex_);

  const std::shared_ptr<ServerCore> core_;
  RegisteredMethod& method_;
  const bool metered_;
  GrpcCallContext context_;

  base::Mutex mutex_;
  std::deque<grpc::ByteBuffer> queue_ GUARDED_BY(mutex_);
  size_t queued_bytes_ GUARDED_BY(mutex_) = 0;  // of what waits, and of what is being written
  bool writing_ GUARDED_BY(mutex_) = false;
  bool over_ GUARDED_BY(mutex_) = false;  // for gRPC

 private:
  void Dequeued(size_t bytes) REQUIRES(mutex_);
  void OnWritten(bool ok);
  void OnFinished(bool ok);
  void OnEnd(bool ok);

  std::optional<base::Status> finish_ GUARDED_BY(mutex_);  // how it is to end
  bool finishing_ GUARDED_BY(mutex_) = false;              // the end is on its way
  bool broken_ GUARDED_BY(mutex_) = false;                 // a write failed
  bool headers_sent_ GUARDED_BY(mutex_) = false;
  size_t writing_bytes_ GUARDED_BY(mutex_) = 0;
  Continuation closed_ GUARDED_BY(mutex_);
  // Of the loop.
  std::shared_ptr<StreamCall> self_;
  int64_t start_ns_ = 0;
  MemberTag<StreamCall, &StreamCall::OnCall> call_tag_{this};
  MemberTag<StreamCall, &StreamCall::OnWritten> written_tag_{this};
  MemberTag<StreamCall, &StreamCall::OnFinished> finished_tag_{this};
  MemberTag<StreamCall, &StreamCall::OnEnd> end_tag_{this};
};

}  // namespace matricula::rpc
