#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "etcd_rpc.grpc.pb.h"
#include "roles/ctl/session.h"

// The way to one server of the store, for what only operators ask of it.
namespace matricula::ctl {

struct StoreClient {
  StoreClient(std::string server_address, const Options& options);

  grpc::Status ListMembers(etcdserverpb::MemberListResponse* response);
  grpc::Status GetStatus(etcdserverpb::StatusResponse* response);
  grpc::Status AddMember(const etcdserverpb::MemberAddRequest& request,
                         etcdserverpb::MemberAddResponse* response);
  grpc::Status RemoveMember(const etcdserverpb::MemberRemoveRequest& request);
  grpc::Status PromoteMember(const etcdserverpb::MemberPromoteRequest& request);

  const std::string address;  // HOST:PORT
  const int64_t timeout_ms;
  std::unique_ptr<etcdserverpb::Cluster::Stub> cluster;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance;
};

// The addresses in --kv; empty if it names none.
std::vector<std::string> StoreAddresses(const Options& options);

// Asks one address of --kv after the other. Absent: none answered, and that has been said.
std::optional<etcdserverpb::MemberListResponse> FindMembers(Session& session, ExitCode* failure);

// Whether nobody can tell from this what became of the call.
bool IsUnanswered(const grpc::Status& status);

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& texts);

// HOST:PORT of a member's URL.
std::string AddressOfUrl(const std::string& url);

// As etcd's tools write the id of a member.
std::string HexId(uint64_t id);

// Why a server of the store did not answer as hoped, in Portuguese.
std::string ExplainStoreFailure(const std::string& address, const grpc::Status& status);

}  // namespace matricula::ctl
