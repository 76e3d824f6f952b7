#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/status.h"

namespace matricula::rpc {

// PEM texts. With an empty certificate the port speaks plain text.
struct TlsOptions {
  std::string certificate;
  std::string private_key;
  // Whoever wants in shows a certificate of this authority; empty: anybody may connect.
  std::string client_authority;
};

// Is told when a call has come and how it ended; for metrics. Called on the server's thread, must
// not block.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // `method` is "package.Service/Method", and stays valid as long as the server.
  virtual void OnCallBegin(std::string_view /*method*/) {}
  virtual void OnCallEnd(std::string_view method, base::Code code, int64_t duration_ns) = 0;
};

class Loop;

// Limits are what one client, or all of them together, can make the server hold. What is over one
// is refused with RESOURCE_EXHAUSTED at once; connections over theirs are closed at once.
struct ServerOptions {
  // HOST:PORT; port 0 picks a free one. An IPv6 address stands in brackets.
  std::string listen = "127.0.0.1:0";
  TlsOptions tls;
  bool reflection = true;
  // What serves it, and other servers besides; nullptr: a thread of its own. Lives until after
  // Stop.
  std::shared_ptr<Loop> loop;

  size_t max_receive_bytes = 2 << 20;   // one message of a client
  int max_concurrent_streams = 2048;    // calls of one connection; more wait at the client
  size_t max_calls_in_flight = 20'000;  // unary calls waiting for their answer
  size_t max_open_streams = 10'000;     // streams of both kinds
  size_t max_queued_bytes = 256 << 20;  // waiting for slow readers, all bidi streams together
  size_t max_connections = 10'000;      // at most what the descriptor limit leaves
  size_t max_connections_per_address = 10'000;

  // A connection that has not finished its handshake by then is closed.
  int64_t handshake_timeout_ms = 20'000;
  // A silent connection is asked whether it still lives, and closed if it does not answer in time.
  int64_t keepalive_time_ms = 60'000;
  int64_t keepalive_timeout_ms = 20'000;
  // A client that asks more often than this is disconnected. etcd's clients ask every few seconds.
  int64_t min_client_ping_interval_ms = 5'000;

  CallObserver* observer = nullptr;  // outlives the server
  const base::Clock* clock = &base::SystemClock();
};

}  // namespace matricula::rpc
