#include "common/rpc/loop.h"

#include <utility>

#include <grpc/support/time.h>

namespace matricula::rpc {

Loop::Loop(std::unique_ptr<grpc::ServerCompletionQueue> queue) : queue_(std::move(queue)) {}

Loop::~Loop() { Join(); }

void Loop::Start() {
  thread_ = std::thread([this] { Serve(); });
}

void Loop::Run(Continuation task) {
  base::MutexLock lock(mutex_);
  if (over_) return;
  tasks_.push_back(std::move(task));
  if (woken_) return;
  woken_ = true;
  // An alarm in the past is an event of our own on the queue; no timer is involved.
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), static_cast<Tag*>(&tasks_tag_));
}

void Loop::Quit() {
  base::MutexLock lock(mutex_);
  over_ = true;
  queue_->Shutdown();
}

void Loop::Join() {
  if (thread_.joinable()) thread_.join();
}

void Loop::Serve() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) static_cast<Tag*>(tag)->Complete(ok);
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

}  // namespace matricula::rpc
