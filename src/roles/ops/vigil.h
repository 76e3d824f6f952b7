#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "roles/ops/notifier.h"

namespace matricula::roles {

// Watches that the process's loops turn: each stamps the time (base/heartbeat.h), and the vigil's
// own thread looks at the stamps. Only while all are fresh the service manager hears that the
// process is alive; a process that hangs is killed by it and started anew, and another replica
// leads meanwhile.
class Vigil {
 public:
  // How old a stamp may be where no service manager has said what it wants.
  static constexpr int64_t kPatienceMs = 20'000;
  static constexpr int64_t kTurnMs = 1'000;

  // When a loop without a heartbeat turned last, on the clock's monotonic scale: one that only
  // turns when there is something to do, so that the function gives it something.
  using Pulse = std::function<int64_t()>;

  Vigil(Notifier& notifier, const base::Clock& clock);
  ~Vigil();

  // To be called before Start.
  void Watch(std::string part, Pulse pulse);
  // At every turn, on the vigil's thread; must not take long.
  void OnTurn(std::function<void()> task);
  void Start();
  // No pulse is felt any more afterwards.
  void Stop() EXCLUDES(mutex_);

  // The parts that hang; "": none.
  std::string Hanging() const EXCLUDES(mutex_);

 private:
  struct Part {
    std::string name;
    Pulse pulse;
  };

  void Run() EXCLUDES(mutex_);
  void Look() EXCLUDES(mutex_);

  Notifier& notifier_;
  const base::Clock& clock_;
  const int64_t patience_ms_;
  const int64_t turn_ms_;
  std::vector<Part> parts_;  // of the thread, once it runs
  std::function<void()> on_turn_;
  std::string told_;  // what hung when it was last logged
  mutable base::Mutex mutex_;
  base::CondVar wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::string hanging_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace matricula::roles
