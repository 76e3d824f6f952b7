#pragma once

#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"

namespace matricula::test {

// A TCP relay on 127.0.0.1 between a client and a server, which does on command what networks do.
class TcpProxy {
 public:
  explicit TcpProxy(int server_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // All commands have taken effect when they return.
  // What is under way in that direction stays in the network for as long as this is on.
  void HoldRequests(bool hold);
  void HoldAnswers(bool hold);
  // Resets all connections; what was held is lost.
  void Cut();
  // While on, new connections are reset at once.
  void Refuse(bool refuse);
  // Connections accepted so far.
  int accepted() const;

 private:
  struct Link {
    int client;
    int server;
  };
  void Run();
  void Accept();
  static bool Relay(const Link& link, bool from_client, bool held);
  // Changes what the thread does, and waits until it does so.
  template <class Change>
  void Command(Change change);
  void Wake();

  const int server_port_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  int port_ = 0;

  mutable base::Mutex mutex_;
  bool hold_requests_ GUARDED_BY(mutex_) = false;
  bool hold_answers_ GUARDED_BY(mutex_) = false;
  bool refuse_ GUARDED_BY(mutex_) = false;
  bool cut_ GUARDED_BY(mutex_) = false;
  bool stop_ GUARDED_BY(mutex_) = false;
  uint64_t commands_ GUARDED_BY(mutex_) = 0;  // given
  uint64_t obeyed_ GUARDED_BY(mutex_) = 0;
  base::CondVar obeyed_changed_;
  int accepted_ GUARDED_BY(mutex_) = 0;

  std::vector<Link> links_;  // of the thread
  std::thread thread_;
};

}  // namespace matricula::test
