#pragma once

#include <memory>
#include <utility>

#include <grpcpp/grpcpp.h>

#include "common/rpc/channel.h"
#include "matricula.grpc.pb.h"
#include "roles/ctl/session.h"

namespace matricula::ctl {

// A moment `ms` milliseconds from now, in the form that gRPC's waits take.
inline gpr_timespec After(int64_t ms) { return gpr_time_from_millis(ms, GPR_TIMESPAN); }

// The way to the two portals. Not for several threads.
class PortalClient {
 public:
  explicit PortalClient(const Options& options);

  project::PortalAdministrativo::Stub& admin() { return *admin_; }
  project::PortalMatricula::Stub& portal() { return *portal_; }

  // Ok as soon as both portals can be reached, Unavailable as soon as one cannot. For commands
  // that would otherwise meet the trouble a thousand times.
  grpc::Status WaitUntilConnected();

  // One call that takes and gives one message, with the deadline of the options:
  //   Call(&project::PortalAdministrativo::Stub::NovoAluno, client.admin(), aluno, &answer)
  template <class Stub, class Request, class Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    Stub& stub, const Request& request, Response* response) {
    grpc::ClientContext context;
    rpc::SetDeadline(context, timeout_ms_);
    if (!request_id_.empty()) context.AddMetadata("x-request-id", request_id_);
    return (stub.*method)(&context, request, response);
  }

  // One call that gives a stream: `take(message)` for each. It fails if the next message takes
  // longer than the time-out, however long the stream is.
  template <class Stub, class Request, class Response, class Take>
  grpc::Status Stream(std::unique_ptr<grpc::ClientAsyncReader<Response>> (Stub::*prepare)(
                          grpc::ClientContext*, const Request&, grpc::CompletionQueue*),
                      Stub& stub, const Request& request, Response* message, Take take);

 private:
  const int64_t timeout_ms_;
  const std::string request_id_;
  std::shared_ptr<grpc::Channel> admin_channel_;
  std::shared_ptr<grpc::Channel> portal_channel_;  // the same one, unless served apart
  std::unique_ptr<project::PortalAdministrativo::Stub> admin_;
  std::unique_ptr<project::PortalMatricula::Stub> portal_;
};

// The completion queue of one streaming call: waits for one operation at a time, with a limit.
class StreamQueue {
 public:
  StreamQueue(grpc::ClientContext& context, int64_t timeout_ms)
      : context_(context), timeout_ms_(timeout_ms) {}
  ~StreamQueue();

  grpc::CompletionQueue* queue() { return &queue_; }
  void* tag() { return this; }

  // Whether the operation under way went well. One that takes too long is cancelled.
  bool Wait();
  bool timed_out() const { return timed_out_; }

 private:
  grpc::ClientContext& context_;
  const int64_t timeout_ms_;
  grpc::CompletionQueue queue_;
  bool timed_out_ = false;
};

template <class Stub, class Request, class Response, class Take>
grpc::Status PortalClient::Stream(std::unique_ptr<grpc::ClientAsyncReader<Response>> (
                                      Stub::*prepare)(grpc::ClientContext*, const Request&,
                                                      grpc::CompletionQueue*),
                                  Stub& stub, const Request& request, Response* message,
                                  Take take) {
  grpc::ClientContext context;
  StreamQueue queue(context, timeout_ms_);
  const auto reader = (stub.*prepare)(&context, request, queue.queue());
  reader->StartCall(queue.tag());
  bool more = queue.Wait();
  while (more) {
    reader->Read(message, queue.tag());
    more = queue.Wait();
    if (more) take(std::as_const(*message));
  }
  grpc::Status status;
  reader->Finish(&status, queue.tag());
  queue.Wait();
  if (queue.timed_out()) return {grpc::StatusCode::DEADLINE_EXCEEDED, "the stream stood still"};
  return status;
}

}  // namespace matricula::ctl
