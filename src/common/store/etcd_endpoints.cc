#include "common/store/etcd_endpoints.h"

#include <atomic>
#include <limits>

#include "common/base/log.h"

namespace matricula::store {
namespace {

// A silent server is found out after the sum of the two. etcd calls more than a ping every 5 s, or
// any without a call under way, abuse.
constexpr int64_t kKeepAliveMs = 6'000;
constexpr int64_t kKeepAliveTimeoutMs = 3'000;
// Servers that come and go under load must not fill the log.
constexpr int64_t kLogEveryMs = 1'000;

// Two stores of one process share neither connections nor their back-off.
int NextChannelNumber() {
  static std::atomic<int> next{1'000'000};
  return next.fetch_add(1);
}

}  // namespace

EtcdEndpoints::EtcdEndpoints(const std::vector<std::string>& addresses,
                             const rpc::ChannelOptions& channel) {
  rpc::ChannelOptions options = channel;
  options.keepalive_time_ms = kKeepAliveMs;
  options.keepalive_timeout_ms = kKeepAliveTimeoutMs;
  options.keepalive_without_calls = false;
  // Answers are as large as the server makes them: a page of a listing, a watch that catches up.
  options.max_receive_bytes = std::numeric_limits<int>::max();
  for (const std::string& address : addresses) {
    options.number = NextChannelNumber();
    auto endpoint = std::make_unique<EtcdEndpoint>();
    endpoint->address = address;
    endpoint->channel = rpc::MakeChannel(address, options);
    endpoint->kv = etcdserverpb::KV::NewStub(endpoint->channel);
    endpoint->watch = etcdserverpb::Watch::NewStub(endpoint->channel);
    endpoint->lease = etcdserverpb::Lease::NewStub(endpoint->channel);
    endpoint->maintenance = etcdserverpb::Maintenance::NewStub(endpoint->channel);
    endpoints_.push_back(std::move(endpoint));
  }
}

bool EtcdEndpoints::IsFine(EtcdEndpoint& endpoint, int64_t now_ns) {
  endpoint.state = endpoint.channel->GetState(/*try_to_connect=*/true);
  return endpoint.state == GRPC_CHANNEL_READY && endpoint.suspect_until_ns <= now_ns;
}

size_t EtcdEndpoints::Best(int64_t now_ns) {
  if (leader_ && IsFine(*endpoints_[*leader_], now_ns)) {
    return *leader_;
  }
  size_t best = endpoints_.size();
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const size_t index = (current_ + i) % endpoints_.size();
    EtcdEndpoint& endpoint = *endpoints_[index];
    if (IsFine(endpoint, now_ns)) {
      return index;
    }
    if (endpoint.state == GRPC_CHANNEL_READY &&
        (best == endpoints_.size() ||
         endpoint.suspect_until_ns < endpoints_[best]->suspect_until_ns)) {
      best = index;
    }
  }
  return best;
}

EtcdEndpoint* EtcdEndpoints::Pick(int64_t now_ns) {
  const size_t best = Best(now_ns);
  EtcdEndpoint* chosen = best == endpoints_.size() ? nullptr : endpoints_[best].get();
  if ((chosen != nullptr) != reachable_ || (chosen != nullptr && best != current_)) {
    LogChange(chosen, now_ns);
  }
  reachable_ = chosen != nullptr;
  current_ = chosen != nullptr ? best : current_;
  return chosen;
}

void EtcdEndpoints::LogChange(EtcdEndpoint* chosen, int64_t now_ns) {
  if (last_logged_ns_ != 0 && now_ns - last_logged_ns_ < kLogEveryMs * 1'000'000) {
    return;
  }
  last_logged_ns_ = now_ns;
  if (chosen != nullptr) {
    base::log::Info("store.server_chosen", {{"address", chosen->address}});
  } else {
    base::log::Warning("store.unreachable", {{"servers", endpoints_.size()}});
  }
}

void EtcdEndpoints::Prefer(const EtcdEndpoint* leader) {
  leader_.reset();
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    if (endpoints_[i].get() == leader) {
      leader_ = i;
    }
  }
}

void EtcdEndpoints::Suspect(EtcdEndpoint& endpoint, int64_t now_ns) {
  endpoint.suspect_until_ns = now_ns + kSuspectMs * 1'000'000;
}

}  // namespace matricula::store
