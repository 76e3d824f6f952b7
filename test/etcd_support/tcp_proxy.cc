#include "test/etcd_support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

namespace matricula::test {
namespace {

constexpr size_t kBufferBytes = 64 << 10;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// With a reset, not a farewell: what the peer has not read is gone.
void Reset(int socket) {
  const linger at_once{1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(socket);
}

bool WriteAll(int socket, const char* data, ssize_t size) {
  while (size > 0) {
    const ssize_t written = send(socket, data, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (written <= 0) {
      return false;
    }
    data += written;
    size -= written;
  }
  return true;
}

}  // namespace

TcpProxy::TcpProxy(int server_port) : server_port_(server_port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      pipe(wake_) != 0) {
    throw std::runtime_error("no proxy");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  {
    base::MutexLock lock(mutex_);
    stop_ = true;
  }
  Wake();
  thread_.join();
  for (const Link& link : links_) {
    Reset(link.client);
    Reset(link.server);
  }
  close(listener_);
  close(wake_[0]);
  close(wake_[1]);
}

void TcpProxy::Wake() {
  const char byte = 0;
  while (write(wake_[1], &byte, 1) < 0 && errno == EINTR) {
  }
}

template <class Change>
void TcpProxy::Command(Change change) {
  base::MutexLock lock(mutex_);
  change();
  const uint64_t mine = ++commands_;
  Wake();
  while (obeyed_ < mine) {
    obeyed_changed_.Wait(mutex_);
  }
}

void TcpProxy::HoldRequests(bool hold) {
  Command([&]() REQUIRES(mutex_) { hold_requests_ = hold; });
}

void TcpProxy::HoldAnswers(bool hold) {
  Command([&]() REQUIRES(mutex_) { hold_answers_ = hold; });
}

void TcpProxy::Cut() {
  Command([&]() REQUIRES(mutex_) { cut_ = true; });
}

void TcpProxy::Refuse(bool refuse) {
  Command([&]() REQUIRES(mutex_) { refuse_ = refuse; });
}

int TcpProxy::accepted() const {
  base::MutexLock lock(mutex_);
  return accepted_;
}

void TcpProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(server_port_);
  bool refuse = false;
  {
    base::MutexLock lock(mutex_);
    refuse = refuse_;
    accepted_ += refuse ? 0 : 1;
  }
  if (refuse ||
      connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Reset(client);
    close(server);
    return;
  }
  links_.push_back({client, server});
}

// False: the connection is over. A direction that is held is polled for its end alone.
bool TcpProxy::Relay(const Link& link, bool from_client, bool held) {
  if (held) {
    return false;
  }
  std::array<char, kBufferBytes> buffer;
  const int from = from_client ? link.client : link.server;
  const int to = from_client ? link.server : link.client;
  const ssize_t size = recv(from, buffer.data(), buffer.size(), 0);
  return size > 0 && WriteAll(to, buffer.data(), size);
}

void TcpProxy::Run() {
  while (true) {
    short client_events = POLLIN;
    short server_events = POLLIN;
    {
      base::MutexLock lock(mutex_);
      if (stop_) {
        return;
      }
      client_events = hold_requests_ ? 0 : POLLIN;
      server_events = hold_answers_ ? 0 : POLLIN;
      if (cut_) {
        cut_ = false;
        for (const Link& link : links_) {
          Reset(link.client);
          Reset(link.server);
        }
        links_.clear();
      }
      obeyed_ = commands_;
      obeyed_changed_.NotifyAll();
    }
    std::vector<pollfd> polled = {{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const Link& link : links_) {
      polled.push_back({link.client, client_events, 0});
      polled.push_back({link.server, server_events, 0});
    }
    poll(polled.data(), polled.size(), -1);
    std::vector<Link> alive;
    for (size_t i = 0; i < links_.size(); ++i) {
      const bool client_fine =
          polled[2 + 2 * i].revents == 0 || Relay(links_[i], true, client_events == 0);
      const bool server_fine =
          polled[3 + 2 * i].revents == 0 || Relay(links_[i], false, server_events == 0);
      if (client_fine && server_fine) {
        alive.push_back(links_[i]);
      } else {
        Reset(links_[i].client);
        Reset(links_[i].server);
      }
    }
    links_ = std::move(alive);
    if (polled[1].revents != 0) {
      Accept();
    }
    std::array<char, 64> woken;
    if (polled[0].revents != 0 && read(wake_[0], woken.data(), woken.size()) < 0) {
      return;
    }
  }
}

}  // namespace matricula::test
