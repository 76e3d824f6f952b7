#pragma once

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <optional>
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
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
  // The two below belong to EtcdEndpoints and are guarded by its owner's lock.
  int64_t suspect_until_ns = 0;
  grpc_connectivity_state state = GRPC_CHANNEL_IDLE;  // when last looked at
};

// The servers of one cluster, and which of them to use: the one that leads, since any other has to
// ask it first, and may be far behind; while that one is not known or in trouble, the one that
// worked last, for as long as it does. Not synchronised.
class EtcdEndpoints {
 public:
  // Addresses as HOST:PORT. The channels' keep-alive and number are set here.
  EtcdEndpoints(const std::vector<std::string>& addresses, const rpc::ChannelOptions& channel);

  // The leader if it is connected and not suspect; else a connected server, preferably not a
  // suspect one; null while there is none, in which case connections to all of them are being made.
  EtcdEndpoint* Pick(int64_t now_ns);

  // `leader`, one of these, leads; nullptr: who does is not known.
  void Prefer(const EtcdEndpoint* leader);

  // The server disappointed: others go first for kSuspectMs.
  void Suspect(EtcdEndpoint& endpoint, int64_t now_ns);

  size_t size() const { return endpoints_.size(); }
  EtcdEndpoint& at(size_t index) { return *endpoints_[index]; }

 private:
  bool IsFine(EtcdEndpoint& endpoint, int64_t now_ns);
  // size() if none is connected.
  size_t Best(int64_t now_ns);
  void LogChange(EtcdEndpoint* chosen, int64_t now_ns);

  std::vector<std::unique_ptr<EtcdEndpoint>> endpoints_;
  size_t current_ = 0;
  std::optional<size_t> leader_;
  bool reachable_ = false;  // whether the last Pick found a server
  int64_t last_logged_ns_ = 0;
};

}  // namespace matricula::store
