#pragma once

#include <functional>
#include <map>

#include "common/base/done.h"
#include "common/base/mutex.h"
#include "common/raft/message.h"
#include "common/replication/peer_link.h"
#include "common/rpc/server.h"

namespace matricula::replication {

// The other end of the links: the service that members serve to each other.
class PeerService {
 public:
  struct Options {
    peer::Hello self;
    std::function<void(raft::Message)> receive;
    // The disk that a member is known to have; 0: unknown.
    std::function<uint64_t(uint64_t member_id)> disk_of;
    std::function<bool(uint64_t member_id)> is_member;
    // A member has said who it is, and where.
    std::function<void(const peer::Hello&)> on_hello;
    std::function<void(const peer::Call&, base::Done<peer::Answer>)> answer;
    std::function<base::Result<peer::JoinAnswer>(const peer::JoinRequest&)> join;
  };

  // Registers on `server`, which must be stopped before this is destroyed.
  PeerService(rpc::Server& server, Options options);

  // Received of each member since the start. Any thread.
  std::map<uint64_t, uint64_t> ReceivedBytes() const EXCLUDES(mutex_);

 private:
  using Exchanges = rpc::BidiStream<peer::Parcel, peer::Hello>;

  void Exchange(const rpc::CallContext& context, Exchanges stream);
  void Greet(const peer::Parcel* parcel, Exchanges stream);
  void ReadNext(uint64_t from, Exchanges stream);
  bool Take(uint64_t from, const peer::Parcel& parcel);
  void Ask(peer::Call& call, const rpc::CallContext& context,
           rpc::Responder<peer::Answer> responder);
  void Join(peer::JoinRequest& request, const rpc::CallContext& context,
            rpc::Responder<peer::JoinAnswer> responder);
  std::string Objection(const peer::Hello& hello) const;

  const Options options_;
  mutable base::Mutex mutex_;
  std::map<uint64_t, uint64_t> received_bytes_ GUARDED_BY(mutex_);
  std::string complaint_;  // the last one logged; of the server's thread
};

}  // namespace matricula::replication
