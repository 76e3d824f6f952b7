#pragma once

#include <memory>
#include <thread>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include "common/base/mutex.h"
#include "common/rpc/call.h"
#include "common/rpc/tag.h"

namespace matricula::rpc {

// One completion queue and the one thread that serves it. Every operation's tag is a Tag*.
class Loop {
 public:
  explicit Loop(std::unique_ptr<grpc::ServerCompletionQueue> queue);
  ~Loop();  // joins; Quit must have been called if Start was
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  void Start();

  // Runs `task` on the thread soon, in the order of the calls. After Quit it is dropped.
  void Run(Continuation task) EXCLUDES(mutex_);

  // On the thread, or before Start: nobody will start another operation. The thread ends when all
  // those that are under way have come back.
  void Quit() EXCLUDES(mutex_);
  void Join();

 private:
  void Serve();
  void RunTasks(bool ok) EXCLUDES(mutex_);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
  base::Mutex mutex_;
  std::vector<Continuation> tasks_ GUARDED_BY(mutex_);
  bool woken_ GUARDED_BY(mutex_) = false;  // the alarm is set and has not come back
  bool over_ GUARDED_BY(mutex_) = false;
  grpc::Alarm alarm_ GUARDED_BY(mutex_);
  MemberTag<Loop, &Loop::RunTasks> tasks_tag_{this};
};

}  // namespace matricula::rpc
