#include "roles/ctl/store_client.h"

#include <utility>

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_status.h"

namespace matricula::ctl {

StoreClient::StoreClient(std::string server_address, const Options& options)
    : address(std::move(server_address)), timeout_ms(options.timeout_ms()) {
  rpc::ChannelOptions channel_options;
  channel_options.keepalive_without_calls = false;
  const auto channel = rpc::MakeChannel(address, channel_options);
  cluster = etcdserverpb::Cluster::NewStub(channel);
  maintenance = etcdserverpb::Maintenance::NewStub(channel);
}

grpc::Status StoreClient::ListMembers(etcdserverpb::MemberListResponse* response) {
  grpc::ClientContext context;
  rpc::SetDeadline(context, timeout_ms);
  return cluster->MemberList(&context, {}, response);
}

grpc::Status StoreClient::GetStatus(etcdserverpb::StatusResponse* response) {
  grpc::ClientContext context;
  rpc::SetDeadline(context, timeout_ms);
  return maintenance->Status(&context, {}, response);
}

grpc::Status StoreClient::AddMember(const etcdserverpb::MemberAddRequest& request,
                                    etcdserverpb::MemberAddResponse* response) {
  grpc::ClientContext context;
  rpc::SetDeadline(context, timeout_ms);
  return cluster->MemberAdd(&context, request, response);
}

grpc::Status StoreClient::RemoveMember(const etcdserverpb::MemberRemoveRequest& request) {
  grpc::ClientContext context;
  rpc::SetDeadline(context, timeout_ms);
  etcdserverpb::MemberRemoveResponse response;
  return cluster->MemberRemove(&context, request, &response);
}

grpc::Status StoreClient::PromoteMember(const etcdserverpb::MemberPromoteRequest& request) {
  grpc::ClientContext context;
  rpc::SetDeadline(context, timeout_ms);
  etcdserverpb::MemberPromoteResponse response;
  return cluster->MemberPromote(&context, request, &response);
}

std::optional<etcdserverpb::MemberListResponse> FindMembers(Session& session, ExitCode* failure) {
  const auto addresses = StoreAddresses(session.options());
  if (addresses.empty()) {
    *failure = session.Misused("--kv não diz onde está o armazenamento");
    return std::nullopt;
  }
  std::string reason;
  for (const std::string& address : addresses) {
    etcdserverpb::MemberListResponse response;
    const grpc::Status status = StoreClient(address, session.options()).ListMembers(&response);
    if (status.ok()) return response;
    reason += (reason.empty() ? "" : "; ") + ExplainStoreFailure(address, status);
  }
  *failure = session.Unreachable(reason);
  return std::nullopt;
}

bool IsUnanswered(const grpc::Status& status) {
  const base::Status said = rpc::FromGrpc(status);
  // With a text of etcd's own, the server knows what it says; but for one.
  if (said.message().starts_with("etcdserver: ")) {
    return said.message().starts_with("etcdserver: request timed out");
  }
  return said.code() == base::Code::kUnavailable || said.code() == base::Code::kDeadlineExceeded ||
         said.code() == base::Code::kCancelled || said.code() == base::Code::kOutcomeUnknown;
}

std::string Joined(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts.begin(), texts.end(), ","));
}

std::vector<std::string> StoreAddresses(const Options& options) {
  return absl::StrSplit(options.kv, ',', absl::SkipEmpty());
}

std::string AddressOfUrl(const std::string& url) {
  const size_t scheme = url.find("://");
  return scheme == std::string::npos ? url : url.substr(scheme + 3);
}

std::string HexId(uint64_t id) { return fmt::format("{:x}", id); }

std::string ExplainStoreFailure(const std::string& address, const grpc::Status& status) {
  const auto code = static_cast<base::Code>(status.error_code());
  return fmt::format("armazenamento {}: {}: {}", address, base::CodeName(code),
                     status.error_message());
}

}  // namespace matricula::ctl
