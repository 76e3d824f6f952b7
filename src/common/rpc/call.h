#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <google/protobuf/message_lite.h>

#include "common/base/ensure.h"
#include "common/base/status.h"

// What a handler holds of a call: the context, and one of three ways to answer. All of it may be
// used from any thread, and does nothing once the call is over (the client went away, the server
// stopped), so that an answer that comes too late needs no special care. Each is an interface
// underneath, so that a service can be tested without a server.
namespace matricula::rpc {

inline constexpr int64_t kNoDeadlineNs = INT64_MAX;

// Facts about one call; valid as long as the handle that came with it is alive and unanswered.
class CallContext {
 public:
  virtual ~CallContext() = default;
  // What the client sent as metadata `key` (lower case), if anything.
  virtual std::optional<std::string_view> Metadata(std::string_view key) const = 0;
  // The client's address, for example "ipv4:127.0.0.1:40312".
  virtual std::string Peer() const = 0;
  // When the client stops waiting, in base::SystemClock().MonotonicNs(), or kNoDeadlineNs.
  virtual int64_t DeadlineNs() const = 0;
  // True once the client has cancelled, vanished, or run out of time.
  virtual bool Cancelled() const = 0;
};

using Continuation = absl::AnyInvocable<void() &&>;

// ---- unary ----

class UnaryCall {
 public:
  virtual void Finish(const google::protobuf::MessageLite& response) = 0;  // at most one of the
  virtual void Fail(const base::Status& status) = 0;                       // two, once
 protected:
  ~UnaryCall() = default;
};

// The one answer to a unary call. Destroyed unanswered, it answers INTERNAL: nobody waits for ever.
template <class Response>
class Responder {
 public:
  explicit Responder(UnaryCall* call) : call_(call) {}
  Responder(Responder&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
  Responder& operator=(Responder&& other) noexcept {
    std::swap(call_, other.call_);
    return *this;
  }
  ~Responder() {
    if (call_ != nullptr) call_->Fail({base::Code::kInternal, "the call was dropped"});
  }

  void Finish(const Response& response) { Take()->Finish(response); }
  void Fail(const base::Status& status) { Take()->Fail(status); }
  // Either of the two.
  void Finish(const base::Result<Response>& result) {
    result.ok() ? Finish(*result) : Fail(result.status());
  }

 private:
  UnaryCall* Take() {
    ENSURE(call_ != nullptr, "a call is answered once");
    return std::exchange(call_, nullptr);
  }

  UnaryCall* call_;
};

// ---- server streaming ----

class OutgoingStream {
 public:
  using Messages = std::vector<const google::protobuf::MessageLite*>;
  virtual ~OutgoingStream() = default;  // unfinished: answers INTERNAL
  virtual void Write(const Messages& batch, Continuation next) = 0;
  virtual void Finish(const base::Status& status) = 0;
  virtual void OnClosed(Continuation closed) = 0;
};

// A stream of answers that is written page by page, as fast as the client reads. A handle; copies
// are the same stream, and when the last one is gone an unfinished stream ends with INTERNAL.
template <class Response>
class StreamWriter {
 public:
  explicit StreamWriter(std::shared_ptr<OutgoingStream> stream) : stream_(std::move(stream)) {}

  // Hands over the next page, at least one message; serialised before this returns. `next` asks
  // for another page, on the server's thread, once this one has been written as far as the client's
  // flow control goes. One page at a time. If the stream closes first, `next` is destroyed
  // uncalled.
  void Write(const std::vector<Response>& batch, Continuation next) {
    OutgoingStream::Messages messages;
    messages.reserve(batch.size());
    for (const Response& message : batch) messages.push_back(&message);
    stream_->Write(messages, std::move(next));
  }
  void Write(const Response& message, Continuation next) {
    stream_->Write({&message}, std::move(next));
  }
  // Ends the stream, after what has been handed over. Once; later calls do nothing.
  void Finish() { stream_->Finish(base::OkStatus()); }
  void Fail(const base::Status& status) { stream_->Finish(status); }
  // `closed` is called exactly once, when nothing more can be written: the client went away, the
  // server stops, or the end has been sent. At once, if that has happened already.
  void OnClosed(Continuation closed) { stream_->OnClosed(std::move(closed)); }

 private:
  std::shared_ptr<OutgoingStream> stream_;
};

// ---- bidirectional streaming ----

// What one stream may have waiting for its client before Send says kFull.
inline constexpr size_t kMaxQueuedMessages = 1024;
inline constexpr size_t kMaxQueuedBytes = 16 << 20;

enum class SendResult {
  kQueued,
  kFull,    // over the limit and not taken: wait (OnWritable), or give the stream up (Finish)
  kClosed,  // nobody will ever read it
};

class TwoWayStream {
 public:
  // Null: the client sends no more.
  using Received = absl::AnyInvocable<void(google::protobuf::MessageLite*) &&>;
  virtual ~TwoWayStream() = default;  // unfinished: answers INTERNAL
  virtual void Read(Received received) = 0;
  virtual SendResult Send(const google::protobuf::MessageLite& message) = 0;
  virtual void OnWritable(Continuation writable) = 0;
  virtual void Finish(const base::Status& status) = 0;
  virtual void OnClosed(Continuation closed) = 0;
};

// A conversation. A handle; copies are the same stream, and when the last one is gone an unfinished
// stream ends with INTERNAL.
template <class Request, class Response>
class BidiStream {
 public:
  explicit BidiStream(std::shared_ptr<TwoWayStream> stream) : stream_(std::move(stream)) {}

  // Asks for one message. `received` gets it on the server's thread (it may be moved from), or
  // nullptr when the client has sent its last. One Read at a time; what is not asked for stays
  // under the client's flow control. If the stream closes first, `received` is destroyed uncalled.
  void Read(absl::AnyInvocable<void(Request*) &&> received) {
    stream_->Read([received = std::move(received)](google::protobuf::MessageLite* message) mutable {
      std::move(received)(static_cast<Request*>(message));
    });
  }
  // Queues a message behind those before it; serialised before this returns.
  SendResult Send(const Response& message) { return stream_->Send(message); }
  // `writable` is called once, on the server's thread, as soon as the queue is at most half full.
  // If the stream closes first, it is destroyed uncalled.
  void OnWritable(Continuation writable) { stream_->OnWritable(std::move(writable)); }
  // Ends the stream: an ok status after everything queued, an error at once (the queue is dropped).
  // Once; later calls do nothing.
  void Finish(const base::Status& status = base::OkStatus()) { stream_->Finish(status); }
  // As StreamWriter::OnClosed.
  void OnClosed(Continuation closed) { stream_->OnClosed(std::move(closed)); }

 private:
  std::shared_ptr<TwoWayStream> stream_;
};

}  // namespace matricula::rpc
