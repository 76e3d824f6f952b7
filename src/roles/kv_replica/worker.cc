#include "roles/kv_replica/worker.h"

#include <utility>

namespace matricula::roles {

Worker::Worker() : thread_([this] { Run(); }) {}

Worker::~Worker() {
  std::deque<Job> dropped;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
    work_.NotifyOne();
  }
  thread_.join();
}

bool Worker::Post(Job job) {
  base::MutexLock lock(mutex_);
  if (stopping_ || jobs_.size() >= kMaxWaitingJobs) {
    return false;
  }
  jobs_.push_back(std::move(job));
  work_.NotifyOne();
  return true;
}

void Worker::Continue(Job job) {
  base::MutexLock lock(mutex_);
  if (!stopping_) {
    jobs_.push_back(std::move(job));
    work_.NotifyOne();
  }
}

void Worker::Run() {
  while (true) {
    Job job;
    {
      base::MutexLock lock(mutex_);
      while (jobs_.empty() && !stopping_) {
        work_.Wait(mutex_);
      }
      if (stopping_) {
        return;
      }
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    std::move(job)();
  }
}

}  // namespace matricula::roles
