#include "test/integration/chaos/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace matricula::chaos {
namespace {

constexpr size_t kChunkBytes = 64 << 10;
constexpr size_t kMostQueuedBytes = 4 << 20;  // of one stream; then its sender must wait
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kIdleNs = 1'000 * kNsPerMs;
constexpr int kOtherAddress = 0;  // whoever connects from elsewhere

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int NumberOf(const sockaddr_in& address) {
  const uint32_t ip = ntohl(address.sin_addr.s_addr);
  return ip >> 8 == 0x7f0001 ? static_cast<int>(ip & 0xff) : kOtherAddress;
}

void Prepare(int file) {
  const int yes = 1;
  setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
}

void ResetSocket(int file) {
  if (file < 0) return;
  const linger at_once{1, 0};
  setsockopt(file, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close(file);
}

}  // namespace

Network::Network(std::vector<Station> stations, uint64_t seed, const base::Clock& clock)
    : stations_(std::move(stations)), clock_(clock), random_(seed | 1) {
  for (const Station& station : stations_) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    const sockaddr_in address = Loopback(station.proxy_port);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener, SOMAXCONN) != 0) {
      throw std::runtime_error("port " + std::to_string(station.proxy_port) + " is taken");
    }
    listeners_.push_back(listener);
  }
}

Network::~Network() {
  for (Connection& connection : connections_) Close(connection);
  for (const int listener : listeners_) close(listener);
}

std::vector<int> Network::stations() const {
  std::vector<int> numbers;
  for (const Station& station : stations_) numbers.push_back(station.number);
  return numbers;
}

const Link& Network::LinkOf(const Stream& stream) const {
  static const Link open;
  const auto found = links_.find({stream.from, stream.to});
  return found == links_.end() ? open : found->second;
}

void Network::SetLink(int from, int to, Link link) {
  links_[{from, to}] = link;
  if (link.mode != Link::Mode::kOpen) return;
  for (Connection& connection : connections_) {
    Stream& request = connection.request;
    Stream& answer = connection.answer;
    const bool still_down =
        LinkOf(request).mode != Link::Mode::kOpen || LinkOf(answer).mode != Link::Mode::kOpen;
    const bool of_it = std::minmax(from, to) == std::minmax(request.from, request.to);
    const bool spoilt = connection.limbo || request.lost_bytes || answer.lost_bytes;
    if (of_it && spoilt && !still_down) connection.over = true;
  }
}

void Network::Reset(int one, int other) {
  for (Connection& connection : connections_) {
    const Stream& request = connection.request;
    if (std::minmax(one, other) == std::minmax(request.from, request.to)) connection.over = true;
  }
}

void Network::Accept(int listener, const Station& station) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  const int client = accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC);
  if (client < 0) return;
  Connection connection;
  connection.request.from = connection.answer.to = NumberOf(address);
  connection.request.to = connection.answer.from = station.number;
  connection.limbo = LinkOf(connection.request).mode != Link::Mode::kOpen ||
                     LinkOf(connection.answer).mode != Link::Mode::kOpen;
  Prepare(client);
  int server = -1;
  if (!connection.limbo) {
    server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in target = Loopback(station.target_port);
    if (connect(server, reinterpret_cast<const sockaddr*>(&target), sizeof(target)) != 0) {
      ResetSocket(client);
      ResetSocket(server);
      return;
    }
    Prepare(server);
  }
  connection.request.from_file = connection.answer.to_file = client;
  connection.request.to_file = connection.answer.from_file = server;
  connections_.push_back(std::move(connection));
}

void Network::ReadFrom(Stream& stream, bool hung_up) {
  const Link& link = LinkOf(stream);
  if (link.mode == Link::Mode::kHold) {
    if (hung_up) stream.ended = true;
    return;
  }
  std::string bytes(kChunkBytes, '\0');
  const ssize_t size = recv(stream.from_file, bytes.data(), bytes.size(), 0);
  if (size <= 0) {
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) stream.ended = true;
    return;
  }
  if (link.mode == Link::Mode::kDrop) {
    stream.lost_bytes = true;
    return;
  }
  bytes.resize(static_cast<size_t>(size));
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  const auto jitter_ms = static_cast<int64_t>(random_ % static_cast<uint64_t>(link.jitter_ms + 1));
  int64_t due_ns = clock_.MonotonicNs() + (link.delay_ms + jitter_ms) * kNsPerMs;
  if (!stream.queue.empty()) due_ns = std::max(due_ns, stream.queue.back().due_ns);
  stream.queued_bytes += bytes.size();
  stream.queue.push_back({due_ns, std::move(bytes)});
}

void Network::WriteTo(Connection& connection, Stream& stream) {
  if (LinkOf(stream).mode != Link::Mode::kOpen) return;
  const int64_t now_ns = clock_.MonotonicNs();
  while (!stream.queue.empty() && stream.queue.front().due_ns <= now_ns) {
    std::string& bytes = stream.queue.front().bytes;
    const ssize_t sent = send(stream.to_file, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) {
      connection.over = true;
      return;
    }
    relayed_bytes_ += sent;
    stream.queued_bytes -= static_cast<size_t>(sent);
    if (static_cast<size_t>(sent) < bytes.size()) {
      bytes.erase(0, static_cast<size_t>(sent));
      return;
    }
    stream.queue.pop_front();
  }
}

// The end of one side reaches the other one when the link lets it.
void Network::Settle(Connection& connection) {
  for (const Stream* stream : {&connection.request, &connection.answer}) {
    if (stream->ended && stream->queue.empty() && LinkOf(*stream).mode == Link::Mode::kOpen) {
      connection.over = true;
    }
  }
}

void Network::Close(Connection& connection) {
  ResetSocket(connection.request.from_file);
  ResetSocket(connection.request.to_file);
}

// What is due already waits for its receiver, not for the time.
int Network::PollTimeoutMs(int64_t now_ns) const {
  int64_t next_ns = now_ns + kIdleNs;
  for (const Connection& connection : connections_) {
    for (const Stream* stream : {&connection.request, &connection.answer}) {
      if (stream->queue.empty() || stream->queue.front().due_ns <= now_ns) continue;
      next_ns = std::min(next_ns, stream->queue.front().due_ns);
    }
  }
  return static_cast<int>((next_ns - now_ns) / kNsPerMs + 1);
}

// What to wait for on the socket that `in` comes from and `out` goes to.
pollfd Network::Wanted(const Stream& in, const Stream& out, int64_t now_ns) const {
  pollfd wanted{in.from_file, 0, 0};
  const bool stuck = in.ended || LinkOf(in).mode == Link::Mode::kHold;
  if (!stuck && in.queued_bytes < kMostQueuedBytes) wanted.events |= POLLIN;
  const bool due = !out.queue.empty() && out.queue.front().due_ns <= now_ns;
  if (due && LinkOf(out).mode == Link::Mode::kOpen) wanted.events |= POLLOUT;
  // An ended one would wake us again and again.
  if (in.ended && wanted.events == 0) wanted.fd = -1;
  return wanted;
}

void Network::Relay(Connection& connection, short client_events, short server_events) {
  constexpr short kOver = POLLHUP | POLLERR;
  Stream& request = connection.request;
  Stream& answer = connection.answer;
  if ((client_events & (POLLIN | kOver)) != 0 && !request.ended) {
    ReadFrom(request, (client_events & kOver) != 0);
  }
  if ((server_events & (POLLIN | kOver)) != 0 && !answer.ended) {
    ReadFrom(answer, (server_events & kOver) != 0);
  }
  if (!connection.limbo) {
    WriteTo(connection, request);
    WriteTo(connection, answer);
  }
  Settle(connection);
}

void Network::RelayUntilReadable(int command_file) {
  while (true) {
    std::erase_if(connections_, [this](Connection& connection) {
      if (connection.over) Close(connection);
      return connection.over;
    });
    const int64_t now_ns = clock_.MonotonicNs();
    std::vector<pollfd> polled = {{command_file, POLLIN, 0}};
    for (const int listener : listeners_) polled.push_back({listener, POLLIN, 0});
    for (const Connection& connection : connections_) {
      polled.push_back(Wanted(connection.request, connection.answer, now_ns));
      polled.push_back(Wanted(connection.answer, connection.request, now_ns));
    }
    poll(polled.data(), polled.size(), PollTimeoutMs(now_ns));
    const pollfd* of_connection = &polled[1 + listeners_.size()];
    for (Connection& connection : connections_) {
      Relay(connection, of_connection[0].revents, of_connection[1].revents);
      of_connection += 2;
    }
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (polled[1 + i].revents != 0) Accept(listeners_[i], stations_[i]);
    }
    if (polled[0].revents != 0) return;
  }
}

}  // namespace matricula::chaos
