#include "common/rpc/loop.h"

#include <future>
#include <utility>

#include <grpc/support/time.h>
#include <grpcpp/server_builder.h>

#include "common/rpc/library.h"

namespace matricula::rpc {
namespace {

// Only a builder makes queues that a server takes; which server is another matter (server.cc).
std::unique_ptr<grpc::ServerCompletionQueue> MakeQueue() {
  KeepGrpc();
  return grpc::ServerBuilder().AddCompletionQueue();
}

}  // namespace

Loop::Loop() : queue_(MakeQueue()) {}

Loop::~Loop() = default;

void Loop::Run(Continuation task) {
  base::MutexLock lock(mutex_);
  if (over_) return;
  tasks_.push_back(std::move(task));
  if (woken_) return;
  woken_ = true;
  // An alarm in the past is an event of our own on the queue; no timer is involved.
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<Tag*>(&tasks_tag_));
}

void Loop::Flush() {
  std::promise<void> reached;
  Run([&reached] { reached.set_value(); });
  reached.get_future().wait();
}

void Loop::End() {
  base::MutexLock lock(mutex_);
  over_ = true;
  queue_->Shutdown();
}

void Loop::Serve() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    (void)tickets_.load(std::memory_order_acquire);
    static_cast<Tag*>(tag)->Complete(ok);
  }
}

void Loop::RunTasks(bool) {
  std::vector<Continuation> tasks;
  {
    base::MutexLock lock(mutex_);
    woken_ = false;
    tasks.swap(tasks_);
  }
  for (Continuation& task : tasks) std::move(task)();
}

LoopThread::LoopThread()
    : loop_(std::make_shared<Loop>()), thread_([loop = loop_.get()] { loop->Serve(); }) {}

LoopThread::~LoopThread() {
  loop_->End();
  thread_.join();
}

}  // namespace matricula::rpc
