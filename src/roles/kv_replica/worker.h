#pragma once

#include <absl/functional/any_invocable.h>

#include <deque>
#include <thread>

#include "common/base/mutex.h"

namespace matricula::roles {

// One thread for what takes too long for the server's own: hashing, packing, tidying the disk.
class Worker {
 public:
  using Job = absl::AnyInvocable<void() &&>;

  // Jobs that wait, at most.
  static constexpr size_t kMaxWaitingJobs = 64;

  Worker();
  // Ends after the job under way; those that wait are dropped.
  ~Worker();

  // False: too many are waiting, and the job was not taken.
  [[nodiscard]] bool Post(Job job);
  // For the next step of something that was taken already: always taken.
  void Continue(Job job);

 private:
  void Run();

  base::Mutex mutex_;
  base::CondVar work_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace matricula::roles
