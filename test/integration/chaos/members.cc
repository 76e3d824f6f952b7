#include "test/integration/chaos/members.h"

#include "common/rpc/channel.h"

namespace matricula::chaos {

std::vector<Stubs> Connect(const std::vector<std::string>& members, int number) {
  rpc::ChannelOptions options;
  options.number = number;
  options.min_backoff_ms = 50;
  options.max_backoff_ms = 500;
  std::vector<Stubs> all;
  for (const std::string& member : members) {
    const auto channel = rpc::MakeChannel(member, options);
    all.push_back({etcdserverpb::KV::NewStub(channel), etcdserverpb::Watch::NewStub(channel),
                   etcdserverpb::Maintenance::NewStub(channel)});
  }
  return all;
}

}  // namespace matricula::chaos
