#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

namespace matricula::rpc {

// How a client reaches a server.
struct ChannelOptions {
  // Channels of one process with the same target and number share a connection; different numbers
  // never do. Worth it when one connection's limit of concurrent calls is in the way.
  int number = 0;
  size_t max_receive_bytes = 64 << 20;
  // Asks a silent server whether it still lives, also between calls, and gives the connection up if
  // it does not answer in time. 0: never asks.
  int64_t keepalive_time_ms = 10'000;
  int64_t keepalive_timeout_ms = 5'000;
  // A stock etcd disconnects clients that ask between calls.
  bool keepalive_without_calls = true;
  // Between attempts to connect; grows from the first to the second, with jitter.
  int64_t min_backoff_ms = 100;
  int64_t max_backoff_ms = 2'000;
  int64_t connect_timeout_ms = 2'000;
  // PEM texts; an empty authority means plain text.
  std::string server_authority;
  std::string certificate;
  std::string private_key;
};

// A channel to HOST:PORT. It connects when it is first used.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target,
                                           const ChannelOptions& options = {});

// The call fails with DEADLINE_EXCEEDED after that long.
void SetDeadline(grpc::ClientContext& context, int64_t timeout_ms);

}  // namespace matricula::rpc
