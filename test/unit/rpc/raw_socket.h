#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "common/rpc/descriptor.h"

namespace matricula::rpc {

// A TCP client without manners.
class RawSocket {
 public:
  explicit RawSocket(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = socket_.valid() && ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                                              sizeof(address)) == 0;
  }

  bool connected() const { return connected_; }
  void Send(std::string_view bytes) {
    [[maybe_unused]] const auto sent =
        ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // Reads whatever comes until the other side closes; false if it does not in time.
  bool ClosedWithin(int timeout_ms) {
    while (true) {
      pollfd watched{socket_.get(), POLLIN, 0};
      if (::poll(&watched, 1, timeout_ms) <= 0) return false;
      char buffer[4096];
      if (::recv(socket_.get(), buffer, sizeof(buffer), 0) <= 0) return true;
    }
  }

 private:
  Descriptor socket_;
  bool connected_ = false;
};

}  // namespace matricula::rpc
