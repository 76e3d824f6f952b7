#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/rpc/loop.h"
#include "common/rpc/method_table.h"
#include "common/rpc/server.h"
#include "common/rpc/server_options.h"

namespace matricula::rpc {

class BidiCall;
class ServerCore;

// A registered method: knows how to wait for its next call.
class RegisteredMethod {
 public:
  explicit RegisteredMethod(std::string_view name) : name_(name) {}
  virtual ~RegisteredMethod() = default;
  const std::string& name() const { return name_; }  // "package.Service/Method"

  virtual bool unary() const { return false; }
  // Posts one slot that waits for a call. On the loop.
  virtual void PostSlot(ServerCore& core) = 0;
  // Lets go of the handler and of idle slots. When all has ended.
  virtual void Release() = 0;

 private:
  const std::string name_;
};

// What the calls of a running server share: the loop, the limits, the counts. Every call holds on
// to it, so it outlives the Server as long as somebody keeps a handle, and a late answer finds
// something that ignores it.
//
// Everything belongs to the loop's thread, except what says otherwise.
class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  explicit ServerCore(ServerOptions options) : options_(std::move(options)) {}

  const ServerOptions& options() const { return options_; }  // any thread
  MethodTable& table() { return table_; }
  grpc::ServerCompletionQueue* queue() { return loop_->queue(); }  // any thread
  Loop& loop() { return *loop_; }                                  // any thread

  // Before the start.
  void SetLoop(std::shared_ptr<Loop> loop) { loop_ = std::move(loop); }

  // ---- slots: every one posted comes back, with a call or without ----
  void SlotPosted() { ++posted_slots_; }
  void SlotCameBack(RegisteredMethod& method, bool with_call);

  // ---- calls ----
  // Counts a call in; the status says what it must be refused with, if it must.
  base::Status EnterUnary();
  base::Status EnterStream();
  void LeaveUnary();
  void LeaveStream();
  // A unary call is over for gRPC, but its handler still holds it.
  void AbandonUnary();
  void ReleaseAbandoned() { abandoned_.fetch_sub(1, std::memory_order_relaxed); }  // any thread
  // Metrics of a call that has ended, and of one that begins now: its start.
  void Report(const RegisteredMethod& method, base::Code code, int64_t start_ns);
  int64_t Begin(const RegisteredMethod& method);

  // Bidirectional streams do not end on their own: they are ended when the server stops.
  void Track(BidiCall* call) { bidi_calls_.insert(call); }
  void Untrack(BidiCall* call) { bidi_calls_.erase(call); }

  // Takes `bytes` of what all bidirectional streams together may have queued; `force`: also where
  // there is not that much left. Any thread.
  bool ReserveQueued(size_t bytes, bool force);
  void ReleaseQueued(size_t bytes) { queued_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  // ---- stopping ----
  void BeginDrain();
  // gRPC's server is shut down. `ended` is set when the last slot and call have come back.
  void BeginClose(std::promise<void> ended);

  void FillStats(ServerStats& stats) const;  // any thread

 private:
  // A counter that one thread writes and any may read.
  class Counter {
   public:
    void Add(int64_t change) {
      value_.store(value_.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
    }
    int64_t Get() const { return value_.load(std::memory_order_relaxed); }

   private:
    std::atomic<int64_t> value_{0};
  };

  void NoteIfEnded();

  const ServerOptions options_;
  MethodTable table_;
  std::shared_ptr<Loop> loop_;

  bool draining_ = false;
  std::optional<std::promise<void>> ended_;  // while closing
  int64_t posted_slots_ = 0;
  std::unordered_set<BidiCall*> bidi_calls_;
  Counter unary_calls_;
  Counter streams_;
  Counter ended_calls_;
  Counter refused_calls_;

  std::atomic<int64_t> abandoned_{0};
  std::atomic<size_t> queued_bytes_{0};
};

}  // namespace matricula::rpc
