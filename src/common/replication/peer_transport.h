#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/base/done.h"
#include "common/base/mutex.h"
#include "common/replication/peer_link.h"
#include "common/replication/ports.h"

namespace matricula::replication {

// The network as a member's transport: a link to every other member. Any thread.
class PeerTransport final : public Transport {
 public:
  // How long who is no member any more is still spoken to: he should learn of it.
  static constexpr int64_t kFarewellMs = 5'000;

  explicit PeerTransport(PeerLinkOptions options) : options_(std::move(options)) {}
  ~PeerTransport() override;

  // Where the other members are (HOST:PORT); who is not named is soon not spoken to any
  // more.
  void SetPeers(const std::map<uint64_t, std::string>& addresses) EXCLUDES(mutex_);
  // A member says itself where it is. Counts only as long as nothing better is known: one that has
  // just joined, or was away, must be able to answer a leader that it has not heard of yet.
  void Learn(uint64_t member, const std::string& address) EXCLUDES(mutex_);
  void Send(raft::Message message) override EXCLUDES(mutex_);
  // Connects what is not connected. To be called every few tens of milliseconds.
  void Tick() EXCLUDES(mutex_);

  // Asks another member to do something for a client of this one. Cancelled: nobody was asked.
  // Unavailable, DeadlineExceeded: it does not answer, and whether it has done it is unknown.
  // Otherwise its own error.
  void Ask(uint64_t member, const peer::Call& call, int64_t timeout_ms,
           base::Done<peer::Answer> done) EXCLUDES(mutex_);

  // By member, since the link to it was made.
  std::map<uint64_t, uint64_t> SentBytes() EXCLUDES(mutex_);

  // Closes all links and waits until nothing of theirs runs any more. Nothing is sent afterwards.
  void Stop() EXCLUDES(mutex_);

 private:
  class Asking;

  void AwaitEnd(const std::vector<std::shared_ptr<PeerLink>>& links) EXCLUDES(mutex_);
  std::shared_ptr<PeerLink> LinkTo(uint64_t member) EXCLUDES(mutex_);
  void CloseLeavers() REQUIRES(mutex_);

  const PeerLinkOptions options_;
  base::Mutex mutex_;
  base::CondVar answered_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  int asking_ GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::shared_ptr<PeerLink>> links_ GUARDED_BY(mutex_);
  std::set<uint64_t> learned_ GUARDED_BY(mutex_);           // members known by their own word alone
  std::map<uint64_t, int64_t> leaving_ GUARDED_BY(mutex_);  // members no more, and until when (ns)
  std::vector<std::shared_ptr<PeerLink>> closing_ GUARDED_BY(mutex_);
};

}  // namespace matricula::replication
