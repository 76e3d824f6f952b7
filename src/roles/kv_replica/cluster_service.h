#pragma once

#include <string>
#include <vector>

#include "roles/kv_replica/service.h"

namespace matricula::roles {

// How this member introduces itself.
struct MemberProfile {
  std::string name = "default";
  std::vector<std::string> peer_urls;    // http://HOST:PORT
  std::vector<std::string> client_urls;  // http://HOST:PORT
};

// etcdserverpb.Cluster: the list of members, and its changes, which the leader makes. A store
// without a log has one member for good: what would change that is refused with etcd's own reasons,
// or as something that this replica is not capable of.
class ClusterService {
 public:
  ClusterService(rpc::Server& server, store::ReplicaStore& store, MemberProfile profile);
  store::ReplicaStore& store() { return store_; }

 private:
  void Add(etcdserverpb::MemberAddRequest& request,
           rpc::Responder<etcdserverpb::MemberAddResponse> responder);
  void Remove(etcdserverpb::MemberRemoveRequest& request,
              rpc::Responder<etcdserverpb::MemberRemoveResponse> responder);
  void Update(etcdserverpb::MemberUpdateRequest& request,
              rpc::Responder<etcdserverpb::MemberUpdateResponse> responder);
  void List(etcdserverpb::MemberListRequest& request,
            rpc::Responder<etcdserverpb::MemberListResponse> responder);
  void Promote(etcdserverpb::MemberPromoteRequest& request,
               rpc::Responder<etcdserverpb::MemberPromoteResponse> responder);

  // Has the leader do it; `part` of its answer is the response.
  template <class Response>
  void Do(peer::Call call, Response* (peer::Answer::*part)(), rpc::Responder<Response> responder);
  bool IsMember(uint64_t id) const { return id == store_.member_id(); }
  void FillMember(etcdserverpb::Member& member) const;

  store::ReplicaStore& store_;
  const MemberProfile profile_;
};

// Whether a text is what a member's URL must be: http://HOST:PORT or https://HOST:PORT.
bool IsMemberUrl(std::string_view text);

}  // namespace matricula::roles
