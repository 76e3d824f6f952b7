#include "common/replication/peer_transport.h"

#include <grpcpp/support/async_unary_call.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"
#include "common/rpc/tag.h"

namespace matricula::replication {
namespace {

using base::Code;
using base::MutexLock;
using base::Status;

constexpr std::chrono::milliseconds kClosingPoll{5};
constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

// A call under way, and what gRPC works on meanwhile. It deletes itself when it has ended.
class PeerTransport::Asking final : public rpc::Tag {
 public:
  Asking(PeerTransport& transport, std::shared_ptr<PeerLink> link, base::Done<peer::Answer> done)
      : transport_(transport), link_(std::move(link)), done_(std::move(done)) {}

  void Start(const peer::Call& call, int64_t timeout_ms) {
    rpc::SetDeadline(context_, timeout_ms);
    reader_ = link_->stub().AsyncAsk(&context_, call, transport_.options_.loop->queue());
    reader_->Finish(&answer_, &status_, transport_.options_.loop->Ticket(*this));
  }

 private:
  void Complete(bool) override {
    const std::unique_ptr<Asking> self(this);
    if (status_.ok()) {
      std::move(done_)(std::move(answer_));
    } else {
      std::move(done_)(rpc::FromGrpc(status_));
    }
    const MutexLock lock(transport_.mutex_);
    --transport_.asking_;
    transport_.answered_.NotifyAll();
  }

  PeerTransport& transport_;
  const std::shared_ptr<PeerLink> link_;
  base::Done<peer::Answer> done_;
  grpc::ClientContext context_;
  peer::Answer answer_;
  grpc::Status status_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<peer::Answer>> reader_;
};

PeerTransport::~PeerTransport() { Stop(); }

void PeerTransport::SetPeers(const std::map<uint64_t, std::string>& addresses) {
  const MutexLock lock(mutex_);
  if (stopped_) return;
  const int64_t now_ns = options_.clock->MonotonicNs();
  for (const auto& [member, link] : links_) {
    const auto wanted = addresses.find(member);
    if (wanted == addresses.end() && learned_.contains(member)) continue;
    if (wanted == addresses.end()) {
      // Nobody waits for him where somebody else is expected.
      const std::string& left = link->address();
      const bool replaced =
          std::any_of(addresses.begin(), addresses.end(),
                      [&left](const auto& other) { return other.second == left; });
      leaving_.try_emplace(member, now_ns + kFarewellMs * kNsPerMs);
      if (replaced) leaving_[member] = now_ns;
    } else if (wanted->second == link->address()) {
      leaving_.erase(member);
    } else {
      leaving_[member] = now_ns;
    }
  }
  CloseLeavers();
  for (const auto& [member, address] : addresses) {
    learned_.erase(member);
    if (member == options_.self.member_id() || links_.contains(member)) continue;
    links_[member] = std::make_shared<PeerLink>(raft::NodeId(member), address, options_);
  }
}

void PeerTransport::CloseLeavers() {
  const int64_t now_ns = options_.clock->MonotonicNs();
  std::erase_if(leaving_, [&](const auto& leaver) REQUIRES(mutex_) {
    if (leaver.second > now_ns) return false;
    const auto link = links_.find(leaver.first);
    if (link == links_.end()) return true;
    link->second->Close();
    closing_.push_back(std::move(link->second));
    links_.erase(link);
    return true;
  });
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
    if (!stopped_) CloseLeavers();
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
  (new Asking(*this, std::move(link), std::move(done)))->Start(call, timeout_ms);
}

std::map<uint64_t, uint64_t> PeerTransport::SentBytes() {
  const MutexLock lock(mutex_);
  std::map<uint64_t, uint64_t> sent;
  for (const auto& [member, link] : links_) sent[member] = link->sent_bytes();
  return sent;
}

void PeerTransport::Stop() {
  std::vector<std::shared_ptr<PeerLink>> links;
  {
    const MutexLock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
    links = std::exchange(closing_, {});
    for (auto& [member, link] : links_) links.push_back(std::move(link));
    links_.clear();
  }
  for (const auto& link : links) link->Close();
  AwaitEnd(links);
  options_.loop->Flush();
}

void PeerTransport::AwaitEnd(const std::vector<std::shared_ptr<PeerLink>>& links) {
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
