#include "common/replication/peer_transport.h"

#include <chrono>
#include <utility>

#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"

namespace matricula::replication {
namespace {

using base::Code;
using base::MutexLock;
using base::Status;

constexpr std::chrono::milliseconds kClosingPoll{5};

// A call under way, and what gRPC works on meanwhile.
struct Asking {
  grpc::ClientContext context;
  peer::Call call;
  peer::Answer answer;
  base::Done<peer::Answer> done;
  std::shared_ptr<PeerLink> link;
};

}  // namespace

PeerTransport::~PeerTransport() { Stop(); }

void PeerTransport::SetPeers(const std::map<uint64_t, std::string>& addresses) {
  const MutexLock lock(mutex_);
  if (stopped_) return;
  for (auto link = links_.begin(); link != links_.end();) {
    const auto wanted = addresses.find(link->first);
    const bool keep = wanted == addresses.end() ? learned_.contains(link->first)
                                                : wanted->second == link->second->address();
    if (keep) {
      ++link;
      continue;
    }
    link->second->Close();
    closing_.push_back(std::move(link->second));
    link = links_.erase(link);
  }
  for (const auto& [member, address] : addresses) {
    learned_.erase(member);
    if (member == options_.self.member_id() || links_.contains(member)) continue;
    links_[member] = std::make_shared<PeerLink>(raft::NodeId(member), address, options_);
  }
}

void PeerTransport::Learn(uint64_t member, const std::string& address) {
  const MutexLock lock(mutex_);
  if (stopped_) return;
  const auto known = links_.find(member);
  if (known != links_.end()) return known->second->Hasten();
  if (address.empty()) return;
  learned_.insert(member);
  links_[member] = std::make_shared<PeerLink>(raft::NodeId(member), address, options_);
}

std::shared_ptr<PeerLink> PeerTransport::LinkTo(uint64_t member) {
  const MutexLock lock(mutex_);
  const auto found = links_.find(member);
  return found == links_.end() ? nullptr : found->second;
}

void PeerTransport::Send(raft::Message message) {
  const auto link = LinkTo(message.to.value());
  if (link != nullptr) link->Send(std::move(message));
}

void PeerTransport::Tick() {
  std::vector<std::shared_ptr<PeerLink>> links;
  {
    const MutexLock lock(mutex_);
    for (const auto& [member, link] : links_) links.push_back(link);
    std::erase_if(closing_, [](const auto& link) { return link->Idle(); });
  }
  for (const auto& link : links) link->Tick();
}

void PeerTransport::Ask(uint64_t member, const peer::Call& call, int64_t timeout_ms,
                        base::Done<peer::Answer> done) {
  auto link = LinkTo(member);
  bool refused = link == nullptr;
  if (!refused) {
    const MutexLock lock(mutex_);
    refused = stopped_;
    if (!refused) ++asking_;
  }
  if (refused) return std::move(done)(Status(Code::kCancelled, "nothing is known of that member"));
  auto asking = std::make_shared<Asking>();
  asking->call = call;
  asking->done = std::move(done);
  asking->link = std::move(link);
  rpc::SetDeadline(asking->context, timeout_ms);
  asking->link->stub().async()->Ask(&asking->context, &asking->call, &asking->answer,
                                    [this, asking](const grpc::Status& status) {
                                      if (status.ok()) {
                                        std::move(asking->done)(std::move(asking->answer));
                                      } else {
                                        std::move(asking->done)(rpc::FromGrpc(status));
                                      }
                                      const MutexLock lock(mutex_);
                                      --asking_;
                                      answered_.NotifyAll();
                                    });
}

void PeerTransport::Stop() {
  std::vector<std::shared_ptr<PeerLink>> links;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    links = std::exchange(closing_, {});
    for (auto& [member, link] : links_) links.push_back(std::move(link));
    links_.clear();
  }
  for (const auto& link : links) link->Close();
  const MutexLock lock(mutex_);
  const auto busy = [&] {
    for (const auto& link : links) {
      if (!link->Idle()) return true;
    }
    return false;
  };
  while (asking_ > 0 || busy()) answered_.WaitFor(mutex_, kClosingPoll);
}

}  // namespace matricula::replication
