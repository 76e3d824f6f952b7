#include "roles/kv_replica/cluster_service.h"

#include <algorithm>
#include <utility>

namespace matricula::roles {

namespace errors = kv::errors;

ClusterService::ClusterService(rpc::Server& server, store::ReplicaStore& store,
                               MemberProfile profile)
    : store_(store), profile_(std::move(profile)) {
  AddUnary(server, "etcdserverpb.Cluster/MemberAdd", this, &ClusterService::Add);
  AddUnary(server, "etcdserverpb.Cluster/MemberRemove", this, &ClusterService::Remove);
  AddUnary(server, "etcdserverpb.Cluster/MemberUpdate", this, &ClusterService::Update);
  AddUnary(server, "etcdserverpb.Cluster/MemberList", this, &ClusterService::List);
  AddUnary(server, "etcdserverpb.Cluster/MemberPromote", this, &ClusterService::Promote);
}

void ClusterService::FillMember(etcdserverpb::Member& member) const {
  member.set_id(store_.member_id());
  member.set_name(profile_.name);
  member.mutable_peerurls()->Assign(profile_.peer_urls.begin(), profile_.peer_urls.end());
  member.mutable_clienturls()->Assign(profile_.client_urls.begin(), profile_.client_urls.end());
}

template <class Response>
// NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved on, which a template hides
void ClusterService::Do(peer::Call call, Response* (peer::Answer::*part)(),
                        rpc::Responder<Response> responder) {
  store_.desk()->Do(std::move(call), [this, part, answer = AnswerTo(std::move(responder))](
                                         base::Result<peer::Answer> result) mutable {
    if (!result.ok()) return std::move(answer)(result.status());
    Response response = std::move(*((*result).*part)());
    FillHeaderWithoutRevision(store_, *response.mutable_header());
    std::move(answer)(std::move(response));
  });
}

void ClusterService::List(etcdserverpb::MemberListRequest& /*request*/,
                          rpc::Responder<etcdserverpb::MemberListResponse> responder) {
  etcdserverpb::MemberListResponse response;
  FillHeaderWithoutRevision(store_, *response.mutable_header());
  if (store_.membership() == nullptr) {
    FillMember(*response.add_members());
  } else {
    for (auto& member : store_.membership()->List()) *response.add_members() = std::move(member);
  }
  responder.Finish(response);
}

void ClusterService::Add(etcdserverpb::MemberAddRequest& request,
                         rpc::Responder<etcdserverpb::MemberAddResponse> responder) {
  const auto& urls = request.peerurls();
  if (urls.empty() || !std::all_of(urls.begin(), urls.end(), IsMemberUrl)) {
    return responder.Fail(errors::BadMemberUrls());
  }
  if (store_.desk() == nullptr) return responder.Fail(errors::NotCapable());
  peer::Call call;
  *call.mutable_member_add() = std::move(request);
  Do(std::move(call), &peer::Answer::mutable_member_add, std::move(responder));
}

void ClusterService::Remove(etcdserverpb::MemberRemoveRequest& request,
                            rpc::Responder<etcdserverpb::MemberRemoveResponse> responder) {
  if (store_.desk() == nullptr) {
    // Without its last member there would be no cluster.
    return responder.Fail(IsMember(request.id()) ? errors::NotEnoughStartedMembers()
                                                 : errors::MemberNotFound());
  }
  peer::Call call;
  *call.mutable_member_remove() = std::move(request);
  Do(std::move(call), &peer::Answer::mutable_member_remove, std::move(responder));
}

void ClusterService::Update(etcdserverpb::MemberUpdateRequest& request,
                            rpc::Responder<etcdserverpb::MemberUpdateResponse> responder) {
  if (store_.desk() == nullptr) {
    return responder.Fail(IsMember(request.id()) ? errors::NotCapable() : errors::MemberNotFound());
  }
  const auto& urls = request.peerurls();
  if (urls.empty() || !std::all_of(urls.begin(), urls.end(), IsMemberUrl)) {
    return responder.Fail(errors::BadMemberUrls());
  }
  peer::Call call;
  *call.mutable_member_update() = std::move(request);
  Do(std::move(call), &peer::Answer::mutable_member_update, std::move(responder));
}

void ClusterService::Promote(etcdserverpb::MemberPromoteRequest& request,
                             rpc::Responder<etcdserverpb::MemberPromoteResponse> responder) {
  if (store_.desk() == nullptr) {
    return responder.Fail(IsMember(request.id()) ? errors::MemberNotLearner()
                                                 : errors::MemberNotFound());
  }
  peer::Call call;
  *call.mutable_member_promote() = std::move(request);
  Do(std::move(call), &peer::Answer::mutable_member_promote, std::move(responder));
}

bool IsMemberUrl(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.substr(0, scheme.size()) != scheme) {
      continue;
    }
    const std::string_view address = text.substr(scheme.size());
    const size_t colon = address.rfind(':');
    return colon != std::string_view::npos && colon > 0 && colon + 1 < address.size() &&
           address.find_first_not_of("0123456789", colon + 1) == std::string_view::npos &&
           address.find('/') == std::string_view::npos;
  }
  return false;
}

}  // namespace matricula::roles
