#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/domain/timer.h"
#include "common/store/store.h"
#include "test/sim/cluster.h"

namespace matricula::sim {

// The store as a program elsewhere has it: it talks to some replica over the network, to another
// one when that does not answer, and says "unknown" where it does not know.
class SimStore final : public store::Store {
 public:
  SimStore(World& world, Cluster& cluster);

  void Range(const etcdserverpb::RangeRequest& request,
             base::Done<etcdserverpb::RangeResponse> done) override;
  void Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) override;
  std::unique_ptr<store::Watch> OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                          store::WatchSink* sink) override;
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                  base::Done<etcdserverpb::LeaseGrantResponse> done) override;
  void LeaseKeepAlive(int64_t lease_id,
                      base::Done<etcdserverpb::LeaseKeepAliveResponse> done) override;

  // Any change; the outcome is of the command's kind.
  void Change(kv::Command command, base::Done<kv::Outcome> done);

 private:
  template <class Response>
  using Serve = std::function<void(Replica&, base::Done<Response>)>;

  // Sends a request, waits for the answer, gives up after a while.
  template <class Response>
  void Call(bool changes, Serve<Response> serve, base::Done<Response> done);
  void ReadTxn(const etcdserverpb::TxnRequest& request, bool serializable,
               base::Done<etcdserverpb::TxnResponse> done);
  Replica* Target();
  void TryAnother() { target_ = raft::kNobody; }

  World& world_;
  Cluster& cluster_;
  Random random_;
  raft::NodeId target_;  // the replica that it talks to
};

class SimTimer final : public domain::Timer {
 public:
  explicit SimTimer(World& world) : world_(world) {}
  void After(int64_t delay_ms, Call call) override {
    world_.After(delay_ms * kMs + kUs, std::move(call));
  }

 private:
  World& world_;
};

}  // namespace matricula::sim
