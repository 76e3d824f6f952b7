#include "roles/ops/notifier.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>

#include "common/base/log.h"

namespace matricula::roles {
namespace {

int64_t NumberOf(const std::map<std::string, std::string>& environment, const char* name) {
  const auto found = environment.find(name);
  int64_t number = 0;
  if (found == environment.end()) return 0;
  const std::string& text = found->second;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// A path, or "@name" for a name in Linux' abstract namespace. -1: no such socket.
int Connect(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (name.size() < 2 || name.size() > sizeof(address.sun_path)) return -1;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), size) == 0) {
    return descriptor;
  }
  ::close(descriptor);
  return -1;
}

}  // namespace

Notifier::Notifier(const std::map<std::string, std::string>& environment) {
  const auto found = environment.find("NOTIFY_SOCKET");
  if (found == environment.end() || found->second.empty()) return;
  socket_ = Connect(found->second);
  if (socket_ < 0) {
    base::log::Warning("notify.no_socket",
                       {{"socket", found->second}, {"reason", std::strerror(errno)}});
    return;
  }
  // What is meant for another process of the service is none of our business.
  const int64_t pid = NumberOf(environment, "WATCHDOG_PID");
  if (pid == 0 || pid == ::getpid()) watchdog_ms_ = NumberOf(environment, "WATCHDOG_USEC") / 1'000;
}

Notifier::~Notifier() {
  if (socket_ >= 0) ::close(socket_);
}

bool Notifier::Ready(std::string_view status) {
  return Send(fmt::format("READY=1\nSTATUS={}", status));
}

void Notifier::Stopping(int64_t timeout_ms) {
  Send(fmt::format("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC={}", timeout_ms * 1'000));
}

bool Notifier::Status(std::string_view status) { return Send(fmt::format("STATUS={}", status)); }

void Notifier::Alive() {
  if (watchdog_ms_ > 0) Send("WATCHDOG=1");
}

bool Notifier::Send(std::string_view lines) {
  if (socket_ < 0) return true;
  const auto sent = ::send(socket_, lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(lines.size());
}

}  // namespace matricula::roles
