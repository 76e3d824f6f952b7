#include "roles/ctl/portal_client.h"

namespace matricula::ctl {
namespace {

grpc::Status WaitForChannel(grpc::Channel& channel, int64_t timeout_ms) {
  grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE) {
      return {grpc::StatusCode::UNAVAILABLE, "connection failed"};
    }
    if (!channel.WaitForStateChange(state, After(timeout_ms))) {
      return {grpc::StatusCode::DEADLINE_EXCEEDED, "no connection in time"};
    }
    state = channel.GetState(/*try_to_connect=*/true);
  }
  return grpc::Status::OK;
}

}  // namespace

PortalClient::PortalClient(const Options& options)
    : timeout_ms_(options.timeout_ms()),
      request_id_(options.request_id),
      admin_channel_(rpc::MakeChannel(options.server)),
      portal_channel_(options.portal.empty() ? admin_channel_ : rpc::MakeChannel(options.portal)),
      admin_(project::PortalAdministrativo::NewStub(admin_channel_)),
      portal_(project::PortalMatricula::NewStub(portal_channel_)) {}

grpc::Status PortalClient::WaitUntilConnected() {
  const grpc::Status status = WaitForChannel(*admin_channel_, timeout_ms_);
  return status.ok() ? WaitForChannel(*portal_channel_, timeout_ms_) : status;
}

StreamQueue::~StreamQueue() {
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool StreamQueue::Wait() {
  void* tag = nullptr;
  bool ok = false;
  const auto next = queue_.AsyncNext(&tag, &ok, After(timeout_ms_));
  if (next == grpc::CompletionQueue::TIMEOUT) {
    timed_out_ = true;
    context_.TryCancel();
    queue_.Next(&tag, &ok);  // the cancellation ends the operation
    return false;
  }
  return ok;
}

}  // namespace matricula::ctl
