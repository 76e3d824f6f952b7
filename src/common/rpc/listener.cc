#include "common/rpc/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/base/heartbeat.h"
#include "common/base/log.h"

namespace matricula::rpc {
namespace {

constexpr int kBacklog = 4096;
// Connections taken from one port before the others have their turn.
constexpr int kAcceptsPerTurn = 64;
// How long accepting rests after an error that only time mends.
constexpr int kErrorPauseMs = 50;
constexpr int64_t kLogIntervalMs = 60'000;
// Descriptors that connections never take: the disk, the peers and the logs need some too.
constexpr size_t kReservedDescriptors = 256;

size_t DescriptorsForConnections() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  // A limit so low that the reserve eats it all still serves somebody.
  return std::max<size_t>(limit.rlim_cur / 2, 1) > kReservedDescriptors
             ? limit.rlim_cur - kReservedDescriptors
             : std::max<size_t>(limit.rlim_cur / 2, 1);
}

// "[::1]:50051" → {"::1", "50051"}; nothing if it is no HOST:PORT.
std::optional<std::pair<std::string, std::string>> SplitAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  int port = 0;
  const char* const end = address.data() + address.size();
  const auto [rest, error] = std::from_chars(address.data() + colon + 1, end, port);
  if (error != std::errc() || rest != end || port < 0 || port > UINT16_MAX) return std::nullopt;
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return std::nullopt;
  }
  return std::pair(std::move(host), address.substr(colon + 1));
}

int PortOf(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void SetPort(sockaddr_storage& address, int port) {
  if (address.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(static_cast<uint16_t>(port));
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(static_cast<uint16_t>(port));
  }
}

// What connections are counted by: the IPv4 address, or the /64 that an IPv6 host has to itself.
std::string_view ClientKey(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    return {reinterpret_cast<const char*>(&ipv6), 8};
  }
  const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
  return {reinterpret_cast<const char*>(&ipv4), sizeof(ipv4)};
}

bool OnlyTimeMends(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

base::Result<std::unique_ptr<Listener>> Listener::Open(ListenerOptions options) {
  std::unique_ptr<Listener> listener(new Listener(std::move(options)));
  RETURN_IF_ERROR(listener->BindAll());
  return listener;
}

Listener::Listener(ListenerOptions options)
    : options_(std::move(options)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      table_(std::min(options_.max_connections, DescriptorsForConnections()),
             options_.max_connections_per_address) {}

Listener::~Listener() { Stop(); }

base::Status Listener::BindAll() {
  const auto parts = SplitAddress(options_.address);
  if (!parts.has_value()) {
    return {base::Code::kInvalidArgument,
            fmt::format("\"{}\" is not HOST:PORT (an IPv6 address stands in brackets)",
                        options_.address)};
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* host = parts->first.empty() ? nullptr : parts->first.c_str();
  if (const int error = ::getaddrinfo(host, parts->second.c_str(), &hints, &found); error != 0) {
    return {base::Code::kInvalidArgument,
            fmt::format("cannot listen on {}: {}", options_.address, ::gai_strerror(error))};
  }
  base::Status status;
  std::set<std::string> bound;  // a hosts file may name an address twice
  for (const addrinfo* info = found; info != nullptr && status.ok(); info = info->ai_next) {
    const std::string bytes(reinterpret_cast<const char*>(info->ai_addr), info->ai_addrlen);
    if (bound.insert(bytes).second) status = Bind(*info);
  }
  ::freeaddrinfo(found);
  if (status.ok() && listening_.empty()) status = Failure(EADDRNOTAVAIL);
  return status;
}

base::Status Listener::Failure(int error) const {
  return {base::Code::kUnavailable,
          fmt::format("cannot listen on {}: {}", options_.address, std::strerror(error))};
}

base::Status Listener::Bind(const addrinfo& info) {
  Descriptor socket(::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // A machine without IPv6 may still know an IPv6 address of the name; the others will do.
  if (!socket.valid()) return errno == EAFNOSUPPORT ? base::OkStatus() : Failure(errno);
  const int on = 1;
  // Addresses of connections just closed may be taken at once; two listeners may not share one.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (info.ai_family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  sockaddr_storage address{};
  std::memcpy(&address, info.ai_addr, info.ai_addrlen);
  if (PortOf(address) == 0) SetPort(address, port_);  // all addresses of a name on one port
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), info.ai_addrlen) != 0) {
    return errno == EADDRNOTAVAIL ? base::OkStatus() : Failure(errno);
  }
  if (::listen(socket.get(), kBacklog) != 0) return Failure(errno);
  socklen_t size = sizeof(address);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  port_ = PortOf(address);
  listening_.push_back(std::move(socket));
  return {};
}

void Listener::Start(Accepted accepted) {
  accepted_ = std::move(accepted);
  thread_ = std::thread([this] { AcceptLoop(); });
}

void Listener::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof(one));
    thread_.join();
  }
  listening_.clear();
}

void Listener::AcceptLoop() {
  const base::Heartbeat heartbeat("accept");
  std::vector<pollfd> watched{{wake_.get(), POLLIN, 0}};
  for (const Descriptor& socket : listening_) watched.push_back({socket.get(), POLLIN, 0});
  bool pause = false;
  while (true) {
    // During a pause only Stop is waited for: the ports stay readable all the time.
    const int ready = ::poll(watched.data(), pause ? 1 : watched.size(),
                             pause ? kErrorPauseMs : int{base::Heartbeat::kIntervalMs});
    base::Heartbeat::Beat();
    if (ready < 0) {
      if (errno == EINTR) continue;
      NoteError(errno);
      pause = true;
      continue;
    }
    if ((watched[0].revents & POLLIN) != 0) return;
    const bool paused = std::exchange(pause, false);
    for (size_t i = 1; i < watched.size(); ++i) {
      const bool readable = (watched[i].revents & (POLLIN | POLLERR)) != 0;
      if ((paused || readable) && !AcceptSome(watched[i].fd)) pause = true;
    }
  }
}

bool Listener::AcceptSome(int listening) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    Descriptor connection(::accept4(listening, reinterpret_cast<sockaddr*>(&address), &size,
                                    SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      HandOver(listening, std::move(connection), ClientKey(address));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    if (errno == EINTR || errno == ECONNABORTED) continue;
    const int error = errno;
    NoteError(error);
    // Whatever else accept() says is the fate of one connection, not of the port.
    if (OnlyTimeMends(error)) return false;
  }
  return true;
}

void Listener::HandOver(int listening, Descriptor connection, std::string_view address) {
  if (!table_.Admit(connection.get(), address, options_.clock->MonotonicMs())) {
    NoteRefusal();
    return;
  }
  const int on = 1;
  ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  accepted_count_.fetch_add(1, std::memory_order_relaxed);
  accepted_(listening, connection.Release());
}

void Listener::NoteError(int error) {
  error_count_.fetch_add(1, std::memory_order_relaxed);
  const int64_t now_ms = options_.clock->MonotonicMs();
  if (now_ms - last_log_ms_ < kLogIntervalMs) return;
  last_log_ms_ = now_ms;
  base::log::Warning("rpc.accept_failed",
                     {{"listen", options_.address}, {"reason", std::strerror(error)}});
}

void Listener::NoteRefusal() {
  refused_count_.fetch_add(1, std::memory_order_relaxed);
  const int64_t now_ms = options_.clock->MonotonicMs();
  if (now_ms - last_log_ms_ < kLogIntervalMs) return;
  last_log_ms_ = now_ms;
  base::log::Warning(
      "rpc.connection_refused",
      {{"listen", options_.address}, {"open", table_.size()}, {"refused", refused_count()}});
}

}  // namespace matricula::rpc
