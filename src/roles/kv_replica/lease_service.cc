#include "roles/kv_replica/lease_service.h"

#include <utility>

namespace matricula::roles {

using etcdserverpb::LeaseKeepAliveRequest;
using etcdserverpb::LeaseKeepAliveResponse;

LeaseService::LeaseService(rpc::Server& server, store::ReplicaStore& store) : store_(store) {
  AddUnary(server, "etcdserverpb.Lease/LeaseGrant", this, &LeaseService::Grant);
  AddUnary(server, "etcdserverpb.Lease/LeaseRevoke", this, &LeaseService::Revoke);
  AddUnary(server, "etcdserverpb.Lease/LeaseTimeToLive", this, &LeaseService::TimeToLive);
  AddUnary(server, "etcdserverpb.Lease/LeaseLeases", this, &LeaseService::Leases);
  server.Bidi("etcdserverpb.Lease/LeaseKeepAlive", this, &LeaseService::KeepAlive);
}

void LeaseService::Grant(etcdserverpb::LeaseGrantRequest& request,
                         rpc::Responder<etcdserverpb::LeaseGrantResponse> responder) {
  store_.LeaseGrant(request, AnswerTo(std::move(responder)));
}

void LeaseService::Revoke(etcdserverpb::LeaseRevokeRequest& request,
                          rpc::Responder<etcdserverpb::LeaseRevokeResponse> responder) {
  store_.LeaseRevoke(request, AnswerTo(std::move(responder)));
}

void LeaseService::TimeToLive(etcdserverpb::LeaseTimeToLiveRequest& request,
                              rpc::Responder<etcdserverpb::LeaseTimeToLiveResponse> responder) {
  store_.LeaseTimeToLive(request, AnswerTo(std::move(responder)));
}

void LeaseService::Leases(etcdserverpb::LeaseLeasesRequest& /*request*/,
                          rpc::Responder<etcdserverpb::LeaseLeasesResponse> responder) {
  responder.Finish(store_.LeaseLeases());
}

void LeaseService::KeepAlive(const rpc::CallContext& context, KeepAlives stream) {
  if (const auto refused = CheckLeader(context, store_); !refused.ok()) {
    stream.Finish(refused);
    return;
  }
  KeepNext(std::move(stream));
}

void LeaseService::KeepNext(KeepAlives stream) {
  auto reader = stream;
  reader.Read([this, stream = std::move(stream)](LeaseKeepAliveRequest* request) mutable {
    if (request == nullptr) {
      stream.Finish();
      return;
    }
    const int64_t lease = request->id();
    store_.LeaseKeepAlive(lease, [this, stream = std::move(stream)](
                                     const base::Result<LeaseKeepAliveResponse>& response) {
      AnswerKeepAlive(stream, response);
    });
  });
}

void LeaseService::AnswerKeepAlive(KeepAlives stream,
                                   const base::Result<LeaseKeepAliveResponse>& response) {
  if (!response.ok()) {
    stream.Finish(response.status());
    return;
  }
  switch (stream.Send(*response)) {
    case rpc::SendResult::kQueued:
      KeepNext(std::move(stream));
      break;
    case rpc::SendResult::kFull:
      // The client does not read: it is not asked either until it does.
      stream.OnWritable([this, stream, answer = *response]() { AnswerKeepAlive(stream, answer); });
      break;
    case rpc::SendResult::kClosed:
      break;
  }
}

}  // namespace matricula::roles
