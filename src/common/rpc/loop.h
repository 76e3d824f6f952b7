#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include "common/base/mutex.h"
#include "common/rpc/call.h"
#include "common/rpc/tag.h"

namespace matricula::rpc {

// One completion queue and the one thread that serves it. Every operation's tag is a Tag*, and what
// is called must not block.
//
// All servers and clients of a process share one: gRPC has a single epoll set, so that the threads
// of two queues hand each other's events to and fro.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // A server's queue does for clients too.
  grpc::ServerCompletionQueue* queue() { return queue_.get(); }

  // What to give gRPC for `tag`, if it was made on another thread. What was written before is seen
  // when the tag comes back: gRPC's queue orders the two, but a thread sanitizer cannot see that.
  void* Ticket(Tag& tag) {
    tickets_.fetch_add(1, std::memory_order_release);
    return &tag;
  }

  // Runs `task` on the thread soon, in the order of the calls. After the end it is dropped. Any
  // thread.
  void Run(Continuation task) EXCLUDES(mutex_);

  // Returns when what the thread was doing has ended. Not on the thread, not after the end.
  void Flush() EXCLUDES(mutex_);

 private:
  friend class LoopThread;

  void Serve();
  // Nobody will start another operation, and those that were under way have come back.
  void End() EXCLUDES(mutex_);
  void RunTasks(bool ok) EXCLUDES(mutex_);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::atomic<uint64_t> tickets_{0};
  base::Mutex mutex_;
  std::vector<Continuation> tasks_ GUARDED_BY(mutex_);
  bool woken_ GUARDED_BY(mutex_) = false;  // the alarm is set and has not come back
  bool over_ GUARDED_BY(mutex_) = false;
  grpc::Alarm alarm_ GUARDED_BY(mutex_);
  MemberTag<Loop, &Loop::RunTasks> tasks_tag_{this};
};

// Owns a loop's thread, from the construction to the destruction. Others may hold on to the loop
// for longer: it does nothing then. Whoever starts operations on it must have ended before.
class LoopThread {
 public:
  LoopThread();
  ~LoopThread();  // not on the thread itself
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  const std::shared_ptr<Loop>& loop() const { return loop_; }

 private:
  const std::shared_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace matricula::rpc
