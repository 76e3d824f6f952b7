// A bare echo server on gRPC's asynchronous API, one completion queue and one thread: the ceiling
// of what any gRPC server of this arrangement can answer on this machine. With --ours the same
// service runs on common/rpc, which shows what that layer costs.
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <grpcpp/server_builder.h>
#include <CLI/CLI.hpp>

#include "bench.grpc.pb.h"
#include "common/rpc/server.h"

namespace {

using matricula::bench::EchoMessage;
using matricula::bench::EchoService;

// Calls that wait to be matched with a client's; enough that a burst never waits for the loop.
constexpr int kPostedCalls = 256;

// One slot: waits for a call, answers it, and waits for the next.
class EchoCall {
 public:
  EchoCall(EchoService::AsyncService* service, grpc::ServerCompletionQueue* queue)
      : service_(service), queue_(queue) {
    Post();
  }

  void Proceed(bool ok) {
    if (!ok && !answering_) {  // the server stops
      delete this;
      return;
    }
    if (answering_) {
      answering_ = false;
      writer_.reset();
      context_.reset();
      Post();
      return;
    }
    answering_ = true;
    writer_->Finish(message_, grpc::Status::OK, this);
  }

 private:
  void Post() {
    context_.emplace();
    writer_.emplace(&*context_);
    service_->RequestEcho(&*context_, &message_, &*writer_, queue_, queue_, this);
  }

  EchoService::AsyncService* service_;
  grpc::ServerCompletionQueue* queue_;
  std::optional<grpc::ServerContext> context_;
  std::optional<grpc::ServerAsyncResponseWriter<EchoMessage>> writer_;
  EchoMessage message_;
  bool answering_ = false;
};

void WaitForSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int received = 0;
  sigwait(&signals, &received);
}

void BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int RunBare(const std::string& listen) {
  EchoService::AsyncService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "cannot listen on %s\n", listen.c_str());
    return 1;
  }
  std::thread loop([&] {
    for (int i = 0; i < kPostedCalls; ++i) new EchoCall(&service, queue.get());
    void* tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) static_cast<EchoCall*>(tag)->Proceed(ok);
  });
  std::printf("listening on port %d\n", port);
  std::fflush(stdout);
  WaitForSignal();
  server->Shutdown(gpr_time_from_millis(1'000, GPR_TIMESPAN));
  queue->Shutdown();
  loop.join();
  return 0;
}

int RunOurs(const std::string& listen) {
  matricula::rpc::ServerOptions options;
  options.listen = listen;
  matricula::rpc::Server server(options);
  server.Unary<EchoMessage, EchoMessage>(
      "matricula.bench.EchoService/Echo",
      [](EchoMessage& message, const matricula::rpc::CallContext&,
         matricula::rpc::Responder<EchoMessage> responder) { responder.Finish(message); });
  if (const auto status = server.Start(); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  std::printf("listening on port %d\n", server.port());
  std::fflush(stdout);
  WaitForSignal();
  server.Stop(1'000);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Answers every message with itself.");
  std::string listen = "127.0.0.1:0";
  bool ours = false;
  app.add_option("--listen", listen, "HOST:PORT; port 0 picks a free one and prints it");
  app.add_flag("--ours", ours, "on common/rpc instead of gRPC's bare API");
  CLI11_PARSE(app, argc, argv);
  BlockSignals();
  return ours ? RunOurs(listen) : RunBare(listen);
}
