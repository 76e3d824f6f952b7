#include "roles/ctl/store_client.h"

#include <utility>

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "common/base/status.h"
#include "common/rpc/channel.h"

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
