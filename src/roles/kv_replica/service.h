#pragma once

#include <string_view>
#include <utility>

#include "common/base/done.h"
#include "common/kv/errors.h"
#include "common/rpc/server.h"
#include "common/store/replica_store.h"

// What the etcd services have in common.
namespace matricula::roles {

// With `hasleader: true` in its metadata a client would rather be refused than wait for a leader.
inline base::Status CheckLeader(const rpc::CallContext& context, const store::ReplicaStore& store) {
  const bool wanted = context.Metadata("hasleader") == "true";
  return wanted && store.leader() == 0 ? kv::errors::NoLeader() : base::Status();
}

// Who passes a call's result on to its client.
template <class Response>
base::Done<Response> AnswerTo(rpc::Responder<Response> responder) {
  return [responder = std::move(responder)](base::Result<Response> result) mutable {
    // etcd's clients know this text, and that it says nothing of the outcome.
    const bool unknown = !result.ok() && result.status().code() == base::Code::kOutcomeUnknown;
    unknown ? responder.Fail(kv::errors::TimedOut()) : responder.Finish(result);
  };
}

// Ids and term, for answers that say nothing of a revision.
inline void FillHeaderWithoutRevision(const store::ReplicaStore& store,
                                      etcdserverpb::ResponseHeader& header) {
  store.FillHeader(header);
  header.set_revision(0);
}

// Registers a handler of a unary call that is reached only where CheckLeader lets it.
template <class Service, class Request, class Response>
void AddUnary(rpc::Server& server, std::string_view method, Service* service,
              void (Service::*handler)(Request&, rpc::Responder<Response>)) {
  server.Unary<Request, Response>(
      method, [service, handler](Request& request, const rpc::CallContext& context,
                                 rpc::Responder<Response> responder) {
        if (const auto refused = CheckLeader(context, service->store()); !refused.ok()) {
          responder.Fail(refused);
          return;
        }
        (service->*handler)(request, std::move(responder));
      });
}

}  // namespace matricula::roles
