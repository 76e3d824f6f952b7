#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace matricula::roles {

// Speaks systemd's notify protocol (sd_notify(3)): datagrams of KEY=VALUE lines to the socket that
// the service manager names in the environment. Without one, everything here does nothing. Any
// thread.
class Notifier {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  explicit Notifier(const std::map<std::string, std::string>& environment);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  // Serving from now on. False: the service manager's queue is full; to be said again.
  bool Ready(std::string_view status);
  // From now on; takes no longer than this.
  void Stopping(int64_t timeout_ms);
  // One line for `systemctl status`. False: as with Ready.
  bool Status(std::string_view status);
  void Alive();

  // Within this time the service manager wants to hear Alive, or it kills the process; 0: never.
  int64_t watchdog_ms() const { return watchdog_ms_; }

 private:
  bool Send(std::string_view lines);

  int socket_ = -1;
  int64_t watchdog_ms_ = 0;
};

}  // namespace matricula::roles
