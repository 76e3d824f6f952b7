#pragma once

#include <string_view>

#include "common/base/mutex.h"

namespace matricula::mqtt {

// Tells the operator once that the broker is away and once that it is back, however many clients of
// a process notice and however often each of them tries: a broker that is away is an ordinary
// state. Thread-safe.
class Outage {
 public:
  // One client has lost its broker, or did not find it. Once per outage of that client.
  void Begin(std::string_view broker, std::string_view reason);
  // That client is connected again.
  void End(std::string_view broker);
  // That client ends without having found a broker.
  void Leave();
  // A client's first connection without trouble before.
  void Connected(std::string_view broker);

  struct State {
    bool away = false;  // some client has no broker
    bool seen = false;  // some client has had one
  };
  State state() const;

 private:
  mutable base::Mutex mutex_;
  int away_ GUARDED_BY(mutex_) = 0;  // clients without a broker
  bool seen_ GUARDED_BY(mutex_) = false;
  bool told_connected_ GUARDED_BY(mutex_) = false;
};

}  // namespace matricula::mqtt
