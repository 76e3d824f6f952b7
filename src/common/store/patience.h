#pragma once

#include <absl/functional/any_invocable.h>

#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace matricula::store {

// Calls that found no leader and wait for one: an election is over in a second or two, and what
// certainly had no effect may be tried again without anybody's noticing. Bounded in time by the
// caller, in number here. Any thread; calls are made without a lock held.
class Patience {
 public:
  static constexpr size_t kMaxWaiting = 100'000;

  using Call = absl::AnyInvocable<void() &&>;

  explicit Patience(const base::Clock& clock) : clock_(clock) {}

  // `again` is called at the next Retry before the deadline, otherwise `give_up`.
  void Wait(int64_t deadline_ns, Call again, Call give_up) EXCLUDES(mutex_);
  void Retry(bool leader_known) EXCLUDES(mutex_);
  // Everybody gives up, now and from now on.
  void Close() EXCLUDES(mutex_);
  bool empty() const EXCLUDES(mutex_);

 private:
  struct Waiting {
    int64_t deadline_ns;
    Call again;
    Call give_up;
  };

  const base::Clock& clock_;
  mutable base::Mutex mutex_;
  bool closed_ GUARDED_BY(mutex_) = false;
  std::vector<Waiting> waiting_ GUARDED_BY(mutex_);
};

}  // namespace matricula::store
