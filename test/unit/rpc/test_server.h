#pragma once

#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <grpcpp/client_context.h>

#include "bench.grpc.pb.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "etcd_rpc.grpc.pb.h"
#include "matricula.grpc.pb.h"

// Real servers on loopback and real clients. The services are those of the .proto files; what they
// do here is up to each test.
namespace matricula::rpc {

using bench::EchoMessage;
using bench::EchoService;

inline constexpr char kEcho[] = "matricula.bench.EchoService/Echo";
inline constexpr char kListing[] = "project.PortalAdministrativo/ObtemTodosAlunos";
inline constexpr char kConversation[] = "etcdserverpb.Watch/Watch";
inline constexpr int64_t kTestTimeoutMs = 20'000;

// Every call of a test ends, whatever is broken.
struct TestContext : grpc::ClientContext {
  TestContext() { SetDeadline(*this, kTestTimeoutMs); }
};

inline std::shared_ptr<grpc::Channel> ChannelTo(const Server& server, int number = 0) {
  ChannelOptions options;
  options.number = number;
  return MakeChannel("127.0.0.1:" + std::to_string(server.port()), options);
}

inline grpc::Status CallEcho(const std::shared_ptr<grpc::Channel>& channel, const std::string& text,
                             EchoMessage* response, grpc::ClientContext* context = nullptr) {
  TestContext own;
  EchoMessage request;
  request.set_payload(text);
  return EchoService::NewStub(channel)->Echo(context == nullptr ? &own : context, request,
                                             response);
}

inline void AddEcho(Server& server) {
  server.Unary<EchoMessage, EchoMessage>(
      kEcho, [](EchoMessage& request, const CallContext&, Responder<EchoMessage> responder) {
        responder.Finish(request);
      });
}

// Waits until it is so; false if it does not come about in time.
inline bool Eventually(const std::function<bool()>& condition) {
  for (int64_t waited_ms = 0; waited_ms < kTestTimeoutMs; waited_ms += 2) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

}  // namespace matricula::rpc
