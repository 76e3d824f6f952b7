#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/replication/peer_service.h"
#include "common/replication/peer_transport.h"
#include "common/rpc/loop.h"
#include "common/rpc/server.h"
#include "common/storage/engine.h"
#include "common/store/replica_store.h"
#include "roles/settings.h"

namespace matricula::roles {

// This replica among the others: who it is, the links to them, and the port where they reach it.
//
// A new cluster's members get their ids from what all of them are told alike: their names, or else
// their addresses. One that joins later asks the others who it is. Once the data has an identity,
// that holds, whatever the flags say; where members are is replicated data from then on.
class ReplicaGroup {
 public:
  // How long one that joins asks the others before it gives up.
  static constexpr int64_t kJoinPatienceMs = 15'000;

  // Finds or makes the identity in the data. FailedPrecondition: the data is another cluster's, or
  // nobody has added this member. Unavailable: nobody to ask can be reached.
  static base::Result<std::unique_ptr<ReplicaGroup>> Open(const Settings& settings,
                                                          const base::Clock& clock,
                                                          storage::Engine& engine,
                                                          std::shared_ptr<rpc::Loop> loop);
  // For --rebuild, before Open: has this member replaced by a new one at its address, and removes
  // its data. FailedPrecondition: the data is in use, or the others can not spare this member; the
  // data is as it was then. Unavailable: no leader can be reached.
  static base::Status Discard(const Settings& settings, const base::Clock& clock);
  ~ReplicaGroup();

  // What the store needs of it.
  store::ReplicaStore::Replication ForStore(std::function<void(bool)> on_leader);
  // Speaks with the others from now on. Unavailable: the address is taken.
  base::Status Serve(store::ReplicaStore& store);
  // After the store's Stop(), before its end.
  void Stop();

  // By member, since the start.
  std::map<uint64_t, uint64_t> SentBytes() const { return transport_->SentBytes(); }
  std::map<uint64_t, uint64_t> ReceivedBytes() const { return service_->ReceivedBytes(); }

  const etcdserverpb::Member& introduction() const { return introduction_; }

 private:
  ReplicaGroup(const Settings& settings, const base::Clock& clock, std::shared_ptr<rpc::Loop> loop);

  base::Status Identify(storage::Engine& engine);
  base::Status TakeUp(storage::Engine& engine);
  base::Status Join(storage::Engine& engine);
  void AskAround(const std::function<bool(peer::Peer::Stub& other)>& settled) const;
  base::Result<peer::JoinAnswer> AskToJoin() const;
  base::Status AskToBeReplaced() const;
  base::Status Found(storage::Engine& engine);
  bool joins() const { return settings_.join || settings_.rebuild; }
  peer::Hello Self() const;
  uint64_t DiskOf(uint64_t member) const;

  const Settings& settings_;
  const base::Clock& clock_;
  const std::shared_ptr<rpc::Loop> loop_;
  std::string own_key_;      // what this member's id is made of in a new cluster
  std::string own_address_;  // where the others reach it
  etcdserverpb::Member introduction_;
  std::map<uint64_t, etcdserverpb::Member> founders_;
  uint64_t founded_cluster_ = 0;
  bool founding_ = false;
  kv::Identity identity_;
  std::atomic<store::ReplicaStore*> store_{nullptr};
  std::unique_ptr<replication::PeerTransport> transport_;
  std::unique_ptr<replication::PeerService> service_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace matricula::roles
