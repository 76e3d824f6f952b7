#pragma once

#include <sys/types.h>

#include <string>

namespace matricula::mqtt {

// A real mosquitto on a free port of loopback, with its files in a folder of its own.
class BrokerProcess {
 public:
  BrokerProcess();
  ~BrokerProcess();
  BrokerProcess(const BrokerProcess&) = delete;
  BrokerProcess& operator=(const BrokerProcess&) = delete;

  void Start();  // returns when it accepts connections
  void Kill();   // SIGKILL
  int port() const { return port_; }
  const std::string& folder() const { return folder_; }

 private:
  int port_;
  std::string folder_;
  pid_t process_ = -1;
};

}  // namespace matricula::mqtt
