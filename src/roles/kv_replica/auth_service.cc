#include "roles/kv_replica/auth_service.h"

#include <utility>

namespace matricula::roles {

namespace errors = kv::errors;
using etcdserverpb::AuthRequest;

AuthService::AuthService(rpc::Server& server, store::ReplicaStore& store) : store_(store) {
  AddUnary(server, "etcdserverpb.Auth/AuthEnable", this, &AuthService::RefuseToEnable);
  AddUnary(server, "etcdserverpb.Auth/AuthDisable", this, &AuthService::AnswerEmpty);
  AddUnary(server, "etcdserverpb.Auth/Authenticate", this, &AuthService::RefuseToAuthenticate);
  AddUnary(server, "etcdserverpb.Auth/UserAdd", this, &AuthService::RefuseToAdd);
  AddUnary(server, "etcdserverpb.Auth/UserGet", this, &AuthService::MissUser);
  AddUnary(server, "etcdserverpb.Auth/UserList", this, &AuthService::AnswerEmpty);
  AddUnary(server, "etcdserverpb.Auth/UserDelete", this, &AuthService::MissUser);
  AddUnary(server, "etcdserverpb.Auth/UserChangePassword", this, &AuthService::MissUser);
  AddUnary(server, "etcdserverpb.Auth/UserGrantRole", this, &AuthService::MissUser);
  AddUnary(server, "etcdserverpb.Auth/UserRevokeRole", this, &AuthService::MissUser);
  AddUnary(server, "etcdserverpb.Auth/RoleAdd", this, &AuthService::RefuseToAdd);
  AddUnary(server, "etcdserverpb.Auth/RoleGet", this, &AuthService::MissRole);
  AddUnary(server, "etcdserverpb.Auth/RoleList", this, &AuthService::AnswerEmpty);
  AddUnary(server, "etcdserverpb.Auth/RoleDelete", this, &AuthService::MissRole);
  AddUnary(server, "etcdserverpb.Auth/RoleGrantPermission", this, &AuthService::MissRole);
  AddUnary(server, "etcdserverpb.Auth/RoleRevokePermission", this, &AuthService::MissRole);
}

void AuthService::AnswerEmpty(AuthRequest& /*request*/, Responder responder) {
  etcdserverpb::AuthResponse response;
  store_.FillHeader(*response.mutable_header());
  responder.Finish(response);
}

void AuthService::RefuseToEnable(AuthRequest& /*request*/, Responder responder) {
  responder.Fail(errors::RootUserNotFound());
}

void AuthService::RefuseToAuthenticate(AuthRequest& /*request*/, Responder responder) {
  responder.Fail(errors::AuthNotEnabled());
}

void AuthService::RefuseToAdd(AuthRequest& /*request*/, Responder responder) {
  responder.Fail(base::Status(base::Code::kUnimplemented, "users and roles are not supported"));
}

void AuthService::MissUser(AuthRequest& /*request*/, Responder responder) {
  responder.Fail(errors::UserNotFound());
}

void AuthService::MissRole(AuthRequest& /*request*/, Responder responder) {
  responder.Fail(errors::RoleNotFound());
}

}  // namespace matricula::roles
