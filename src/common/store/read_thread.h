#pragma once

#include <absl/functional/any_invocable.h>

#include <deque>
#include <thread>

#include "common/base/mutex.h"
#include "common/base/status.h"

namespace matricula::store {

// One thread for reads that may take long.
class ReadThread {
 public:
  static constexpr size_t kMaxWaiting = 10'000;

  // Ok, on the thread; ResourceExhausted, on the caller's: too many wait; Unavailable: it is over.
  using Read = absl::AnyInvocable<void(base::Status) &&>;

  ReadThread();
  // Those that wait are refused.
  ~ReadThread();

  void Run(Read read) EXCLUDES(mutex_);

 private:
  void Work();

  base::Mutex mutex_;
  base::CondVar work_;
  std::deque<Read> waiting_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace matricula::store
