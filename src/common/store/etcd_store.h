#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/loop.h"
#include "common/store/store.h"

namespace matricula::store {

class EtcdEngine;

struct EtcdStoreOptions {
  // HOST:PORT of one or more members of one cluster: our replicas or a stock etcd.
  std::vector<std::string> endpoints;
  // Certificates and times of the connections; keep-alive and sizes are the store's own business.
  rpc::ChannelOptions channel;
  // From call to answer, retries included. etcd itself gives up after 7 s.
  int64_t request_timeout_ms = 7'000;
  // Calls under way (watches included); more are refused with ResourceExhausted.
  size_t max_in_flight = 8'192;
  // What runs it, besides others; nullptr: a thread of its own.
  std::shared_ptr<rpc::Loop> loop;
};

// The store behind the network: an asynchronous client of etcd's v3 API.
//
// Of several servers it prefers the one that leads, which it finds out by itself (EtcdScout); when
// that one fails it stays with another that works. Reads and keep-alives are
// repeated, on another server if there is one, until they succeed or their time is over. A write is
// repeated only if it certainly was not taken up; when its fate cannot be known it ends with
// OutcomeUnknown. Watches go on by themselves after a loss of connection and end only with
// OutOfRange (the revision to go on from is compacted), InvalidArgument, PermissionDenied, or
// Cancelled (the store closes). A watch tells of its creation once, however often it reconnects.
//
// All methods may be called from any thread. Answers and events come on the loop's thread (a
// refusal may come on the caller's), which must not be blocked. The destructor ends what is
// under way (writes with OutcomeUnknown) and must not run on that thread.
class EtcdStore final : public Store {
 public:
  // Does not connect: an unreachable server shows in the calls. InvalidArgument if there are no
  // endpoints or one is not HOST:PORT.
  static base::Result<std::unique_ptr<EtcdStore>> Create(const EtcdStoreOptions& options,
                                                         const base::Clock& clock);
  ~EtcdStore() override;

  void Range(const etcdserverpb::RangeRequest& request,
             base::Done<etcdserverpb::RangeResponse> done) override;
  void Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) override;
  std::unique_ptr<Watch> OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                   WatchSink* sink) override;
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                  base::Done<etcdserverpb::LeaseGrantResponse> done) override;
  void LeaseKeepAlive(int64_t lease_id,
                      base::Done<etcdserverpb::LeaseKeepAliveResponse> done) override;

 private:
  EtcdStore(const EtcdStoreOptions& options, const base::Clock& clock);

  const int64_t request_timeout_ms_;
  std::unique_ptr<EtcdEngine> engine_;
};

}  // namespace matricula::store
