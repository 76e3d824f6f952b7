#pragma once

#include "roles/kv_replica/service.h"

namespace matricula::roles {

// etcdserverpb.Lease.
class LeaseService {
 public:
  LeaseService(rpc::Server& server, store::ReplicaStore& store);
  store::ReplicaStore& store() { return store_; }

 private:
  using KeepAlives =
      rpc::BidiStream<etcdserverpb::LeaseKeepAliveRequest, etcdserverpb::LeaseKeepAliveResponse>;

  void Grant(etcdserverpb::LeaseGrantRequest& request,
             rpc::Responder<etcdserverpb::LeaseGrantResponse> responder);
  void Revoke(etcdserverpb::LeaseRevokeRequest& request,
              rpc::Responder<etcdserverpb::LeaseRevokeResponse> responder);
  void TimeToLive(etcdserverpb::LeaseTimeToLiveRequest& request,
                  rpc::Responder<etcdserverpb::LeaseTimeToLiveResponse> responder);
  void Leases(etcdserverpb::LeaseLeasesRequest& request,
              rpc::Responder<etcdserverpb::LeaseLeasesResponse> responder);
  void KeepAlive(const rpc::CallContext& context, KeepAlives stream);

  // Requests are answered one after the other, in their order.
  void KeepNext(KeepAlives stream);
  void AnswerKeepAlive(KeepAlives stream,
                       const base::Result<etcdserverpb::LeaseKeepAliveResponse>& response);

  store::ReplicaStore& store_;
};

}  // namespace matricula::roles
