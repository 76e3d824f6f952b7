#include "common/mqtt/tcp_probe.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

namespace matricula::mqtt {
namespace {

using base::Code;
using base::Status;

// 0, or the error with which the connection failed.
int ConnectWithin(int descriptor, const addrinfo& address, int timeout_ms) {
  if (connect(descriptor, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd waiting{.fd = descriptor, .events = POLLOUT, .revents = 0};
  if (poll(&waiting, 1, timeout_ms) <= 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace

Status ProbeTcp(const std::string& host, int port, int timeout_ms) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int unresolved = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (unresolved != 0) {
    return {Code::kUnavailable,
            fmt::format("cannot resolve {}: {}", host, gai_strerror(unresolved))};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int descriptor =
        socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) continue;
    error = ConnectWithin(descriptor, *address, timeout_ms);
    close(descriptor);
    if (error == 0) return base::OkStatus();
  }
  return {Code::kUnavailable,
          fmt::format("cannot connect to {}:{}: {}", host, port, std::strerror(error))};
}

}  // namespace matricula::mqtt
