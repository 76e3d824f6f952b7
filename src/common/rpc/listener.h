#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/connection_table.h"
#include "common/rpc/descriptor.h"

struct addrinfo;

namespace matricula::rpc {

struct ListenerOptions {
  std::string address;  // HOST:PORT
  size_t max_connections = 0;
  size_t max_connections_per_address = 0;
  const base::Clock* clock = nullptr;
};

// Listens on a TCP address and hands accepted connections over. gRPC's own listener stops accepting
// for ever after one EMFILE (CVE-2023-4785) and knows no limits; this one waits a moment and goes
// on. Descriptors handed over are non-blocking, close-on-exec and without Nagle's delay.
class Listener {
 public:
  // Owns `descriptor` from then on. On the accept thread; must not block.
  using Accepted = std::function<void(int listening_descriptor, int descriptor)>;

  // Binds all addresses that the host's name stands for. Unavailable: they cannot be had, and why.
  static base::Result<std::unique_ptr<Listener>> Open(ListenerOptions options);
  ~Listener();  // as Stop
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int port() const { return port_; }

  void Start(Accepted accepted);
  // Closes the port. When it returns, `accepted` is not called any more.
  void Stop();

  uint64_t accepted_count() const { return accepted_count_.load(std::memory_order_relaxed); }
  uint64_t refused_count() const { return refused_count_.load(std::memory_order_relaxed); }
  uint64_t error_count() const { return error_count_.load(std::memory_order_relaxed); }

 private:
  explicit Listener(ListenerOptions options);

  base::Status BindAll();
  base::Status Bind(const addrinfo& info);
  base::Status Failure(int error) const;
  void AcceptLoop();
  // False: accepting is pointless for a while.
  bool AcceptSome(int listening);
  void HandOver(int listening, Descriptor connection, std::string_view address);
  void NoteError(int error);
  void NoteRefusal();

  const ListenerOptions options_;
  int port_ = 0;
  std::vector<Descriptor> listening_;
  Descriptor wake_;  // an eventfd: Stop was called
  std::thread thread_;
  Accepted accepted_;

  // Of the accept thread.
  ConnectionTable table_;
  int64_t last_log_ms_ = INT64_MIN / 2;

  std::atomic<uint64_t> accepted_count_{0};
  std::atomic<uint64_t> refused_count_{0};
  std::atomic<uint64_t> error_count_{0};
};

}  // namespace matricula::rpc
