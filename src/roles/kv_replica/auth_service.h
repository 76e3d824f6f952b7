#pragma once

#include "roles/kv_replica/service.h"

namespace matricula::roles {

// etcdserverpb.Auth of a store that knows no users: what asks gets etcd's own answers for a server
// where none has been added, and what would add one is refused as unimplemented.
class AuthService {
 public:
  AuthService(rpc::Server& server, store::ReplicaStore& store);
  store::ReplicaStore& store() { return store_; }

 private:
  using Responder = rpc::Responder<etcdserverpb::AuthResponse>;

  // Done, and nothing to tell: an empty list, or off as it was.
  void AnswerEmpty(etcdserverpb::AuthRequest& request, Responder responder);
  void RefuseToEnable(etcdserverpb::AuthRequest& request, Responder responder);
  void RefuseToAuthenticate(etcdserverpb::AuthRequest& request, Responder responder);
  void RefuseToAdd(etcdserverpb::AuthRequest& request, Responder responder);
  void MissUser(etcdserverpb::AuthRequest& request, Responder responder);
  void MissRole(etcdserverpb::AuthRequest& request, Responder responder);

  store::ReplicaStore& store_;
};

}  // namespace matricula::roles
