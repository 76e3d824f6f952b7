#pragma once

#include <memory>
#include <string>
#include <vector>

#include "etcd_rpc.grpc.pb.h"

namespace matricula::chaos {

// All keys of the traffic begin so; a watch over them all ends where kPrefixEnd begins.
inline constexpr char kPrefix[] = "chaos/";
inline constexpr char kPrefixEnd[] = "chaos0";

// One connection's stubs to a member.
struct Stubs {
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
};

// A connection of its own to each of the members (HOST:PORT). `number` tells users of them apart.
std::vector<Stubs> Connect(const std::vector<std::string>& members, int number);

}  // namespace matricula::chaos
