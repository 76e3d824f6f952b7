#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "common/base/mutex.h"
#include "common/store/etcd_engine.h"

namespace matricula::store {

// Finds out which of the servers leads. Any server takes any request, but one that follows has to
// ask the leader before it answers, which costs every request a detour, and it may be far behind.
//
// It asks all of them for their Status, and believes only who says of itself that it leads; of
// several, the one of the newest term. It does so when an answer to somebody else gives reason to:
// the first answer of all, one from a newer term than the leader's, one from the leader's address
// that is not the leader's any more. One round at a time; while no newer term shows up, the pauses
// between rounds double (an election goes on, the leader's address is none of ours, an address
// stands for several servers). Without answers nobody is asked, and a server that says nothing
// only delays the next round.
//
// Methods are for the engine's thread, but for Close().
class EtcdScout {
 public:
  // The time for an answer, and the least and the longest pause between two rounds.
  static constexpr int64_t kStatusMs = 500;
  static constexpr int64_t kFirstPauseMs = 200;
  static constexpr int64_t kMaxPauseMs = 5'000;

  // Told of the leader as soon as it is known, and of nullptr when it is not known any more.
  using OnLeader = std::function<void(const EtcdEndpoint*)>;

  EtcdScout(EtcdEngine& engine, const std::vector<EtcdEndpoint*>& endpoints, OnLeader on_leader);

  // For every answer of every server: cheap as long as nothing is new.
  void Note(const EtcdEndpoint& endpoint, const etcdserverpb::ResponseHeader& header) {
    const bool stale = &endpoint == leader_ && (header.raft_term() != leader_term_ ||
                                                header.member_id() != leader_member_id_);
    if (header.raft_term() > leader_term_ || stale) Consider(header.raft_term());
  }

  // Ends the round under way soon; none follows. Any thread.
  void Close();

 private:
  // One server's status in one round.
  struct Question {
    EtcdEndpoint* endpoint = nullptr;
    std::unique_ptr<EtcdEvent> answered;
    std::unique_ptr<grpc::ClientAsyncResponseReader<etcdserverpb::StatusResponse>> reader;
    etcdserverpb::StatusResponse response;
    grpc::Status status;
  };

  void Consider(uint64_t term);
  void StartRound();
  void OnStatus(Question& question);
  void EndRound();
  void Know(const EtcdEndpoint* leader, const etcdserverpb::ResponseHeader& header);

  EtcdEngine& engine_;
  const OnLeader on_leader_;
  std::vector<std::unique_ptr<Question>> questions_;

  const EtcdEndpoint* leader_ = nullptr;
  uint64_t leader_term_ = 0;  // 0: no leader is known
  uint64_t leader_member_id_ = 0;
  uint64_t newest_term_ = 0;  // seen in any answer
  size_t under_way_ = 0;      // questions of this round
  bool found_ = false;        // in this round
  int64_t pause_ms_ = kFirstPauseMs;
  int64_t last_round_ns_ = 0;  // its end
  int64_t next_round_ns_ = 0;  // not before

  base::Mutex mutex_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_ GUARDED_BY(mutex_);  // of this round
  bool closing_ GUARDED_BY(mutex_) = false;
};

}  // namespace matricula::store
