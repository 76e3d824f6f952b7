#pragma once

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/channel.h"
#include "etcd_rpc.grpc.pb.h"

namespace matricula::store {

// How long a server in trouble is avoided while another one can be reached.
inline constexpr int64_t kSuspectMs = 3'000;

// One server of the cluster, with a connection of its own that is made when first needed.
struct EtcdEndpoint {
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease;
  // The two below belong to EtcdEndpoints and are guarded by its owner's lock.
  int64_t suspect_until_ns = 0;
  grpc_connectivity_state state = GRPC_CHANNEL_IDLE;  // when last looked at
};

// The servers of one cluster, and which of them to use: the one that worked last, for as long as
// it does. Not synchronised.
class EtcdEndpoints {
 public:
  // Addresses as HOST:PORT. The channels' keep-alive and number are set here.
  EtcdEndpoints(const std::vector<std::string>& addresses, const rpc::ChannelOptions& channel);

  // A connected server, preferably not a suspect one; null while there is none, in which case
  // connections to all of them are being made.
  EtcdEndpoint* Pick(int64_t now_ns);

  // The server disappointed: others go first for kSuspectMs.
  void Suspect(EtcdEndpoint& endpoint, int64_t now_ns);

  size_t size() const { return endpoints_.size(); }
  EtcdEndpoint& at(size_t index) { return *endpoints_[index]; }

 private:
  void LogChange(EtcdEndpoint* chosen, int64_t now_ns);

  std::vector<std::unique_ptr<EtcdEndpoint>> endpoints_;
  size_t current_ = 0;
  bool reachable_ = false;  // whether the last Pick found a server
  int64_t last_logged_ns_ = 0;
};

}  // namespace matricula::store
