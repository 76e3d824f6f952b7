#include "test/differential/side.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/support/sync_stream.h>

#include <stdexcept>

namespace matricula::differential {
namespace {

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

Side::Side(std::string name, const std::string& address)
    : name_(std::move(name)),
      channel_(Connect(address)),
      kv_(etcdserverpb::KV::NewStub(channel_)),
      lease_(etcdserverpb::Lease::NewStub(channel_)),
      maintenance_(etcdserverpb::Maintenance::NewStub(channel_)),
      watch_(etcdserverpb::Watch::NewStub(channel_)) {}

Side::~Side() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void Side::WaitForAnswer() {
  void* tag = nullptr;
  bool ok = false;
  if (!queue_.Next(&tag, &ok)) {
    throw std::logic_error("no call is under way");
  }
}

std::string KeepAlive(Side& side, const std::vector<int64_t>& leases) {
  grpc::ClientContext context;
  context.set_deadline(gpr_time_from_millis(kCallTimeoutMs, GPR_TIMESPAN));
  const auto stream = side.lease().LeaseKeepAlive(&context);
  std::string text;
  for (const int64_t lease : leases) {
    etcdserverpb::LeaseKeepAliveRequest request;
    request.set_id(lease);
    etcdserverpb::LeaseKeepAliveResponse response;
    if (!stream->Write(request) || !stream->Read(&response)) {
      break;
    }
    Mask(response);
    text += response.ShortDebugString() + "; ";
  }
  stream->WritesDone();
  return text + "end " + std::to_string(stream->Finish().error_code());
}

}  // namespace matricula::differential
