#pragma once

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>

#include <memory>
#include <string>
#include <utility>

#include "etcd_rpc.grpc.pb.h"
#include "test/differential/answer.h"

namespace matricula::differential {

inline constexpr int64_t kCallTimeoutMs = 60'000;

// One of the two servers. Calls are started on both, then waited for, so that they run at the same
// time.
class Side {
 public:
  Side(std::string name, const std::string& address);
  ~Side();

  const std::string& name() const { return name_; }
  etcdserverpb::KV::Stub& kv() { return *kv_; }
  etcdserverpb::Lease::Stub& lease() { return *lease_; }
  etcdserverpb::Maintenance::Stub& maintenance() { return *maintenance_; }
  etcdserverpb::Watch::Stub& watch() { return *watch_; }
  grpc::CompletionQueue* queue() { return &queue_; }
  void WaitForAnswer();

 private:
  const std::string name_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease_;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance_;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch_;
  grpc::CompletionQueue queue_;
};

// One call on one side.
template <class Response>
class Call {
 public:
  // `prepare(side, context, queue)` gives the reader of a prepared call.
  template <class Prepare>
  Call(Side& side, Prepare prepare) : side_(side) {
    context_.set_deadline(gpr_time_from_millis(kCallTimeoutMs, GPR_TIMESPAN));
    reader_ = prepare(side, &context_, side.queue());
    reader_->StartCall();
    reader_->Finish(&response_, &status_, this);
  }
  std::string Wait() {
    side_.WaitForAnswer();
    return Render(status_, response_);
  }
  bool ok() const { return status_.ok(); }
  const Response& response() const { return response_; }

 private:
  Side& side_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader_;
  Response response_;
  grpc::Status status_;
};

// The keep-alives of some leases, one after the other on one stream, as text.
std::string KeepAlive(Side& side, const std::vector<int64_t>& leases);

}  // namespace matricula::differential
