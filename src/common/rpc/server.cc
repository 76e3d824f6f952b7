#include "common/rpc/server.h"

#include <algorithm>
#include <future>
#include <set>
#include <string>
#include <utility>

#include <google/protobuf/descriptor.h>
#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "common/rpc/bidi_call.h"
#include "common/rpc/health.h"
#include "common/rpc/library.h"
#include "common/rpc/listener.h"
#include "common/rpc/reflection.h"
#include "common/rpc/server_core.h"
#include "common/rpc/server_stream_call.h"
#include "common/rpc/unary_call.h"
#include "common/rpc/unknown_method.h"

namespace matricula::rpc {
namespace {

// Slots that wait for a call, per method. A burst larger than this is queued inside gRPC until the
// loop has posted new ones, which costs less than slots do: Debian's libgrpc is built with the
// checks of a debug build, and looks for every tag among all that are outstanding, one by one. With
// 64 per method a small call cost 3 µs of processor time more than with 4.
constexpr int kUnarySlots = 4;
constexpr int kStreamSlots = 2;

std::shared_ptr<grpc::ServerCredentials> Credentials(const TlsOptions& tls) {
  if (tls.certificate.empty()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      tls.client_authority.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                   : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_key_cert_pairs.push_back({tls.private_key, tls.certificate});
  options.pem_root_certs = tls.client_authority;
  return grpc::SslServerCredentials(options);
}

// gRPC looks at the TLS texts when it opens a port, and tells nobody when the port is an external
// acceptor. So a port is opened for a moment.
base::Status CheckTls(const TlsOptions& tls) {
  if (tls.certificate.empty()) return {};
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", Credentials(tls), &port);
  const std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const bool usable = server != nullptr && port != 0;
  if (server != nullptr) server->Shutdown();
  queue->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) {
  }
  if (usable) return {};
  return {base::Code::kInvalidArgument,
          "the TLS certificate, its key, or the client authority cannot be used"};
}

// Gives a server a queue that it has not made. grpc::ServerBuilder knows of none but its own, and a
// queue can be registered only before the server starts; this, in the guise of a port to be opened,
// is called in between.
class QueueRegistrar final : public grpc::ServerCredentials {
 public:
  explicit QueueRegistrar(grpc::CompletionQueue* queue) : queue_(queue) {}
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string&, grpc_server* server) override {
    grpc_server_register_completion_queue(server, queue_->cq(), nullptr);
    return 1;  // the "port"; 0 would be a failure
  }

  grpc::CompletionQueue* const queue_;
};

// A handler that disagrees with the .proto would misread what it gets.
void CheckMethod(std::string_view name, const google::protobuf::Message* request,
                 const google::protobuf::Message* response, bool client_streaming,
                 bool server_streaming) {
  std::string dotted(name);
  std::replace(dotted.begin(), dotted.end(), '/', '.');
  const auto* method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(dotted);
  ENSURE(method != nullptr, "a registered method is in a .proto");
  ENSURE(method->input_type() == request->GetDescriptor() &&
             method->output_type() == response->GetDescriptor(),
         "a handler has its method's types");
  ENSURE(method->client_streaming() == client_streaming &&
             method->server_streaming() == server_streaming,
         "a handler has its method's kind");
}

std::vector<std::string> ServiceNames(
    const std::vector<std::unique_ptr<RegisteredMethod>>& methods) {
  std::set<std::string> names;
  for (const auto& method : methods) {
    if (method->name().empty()) continue;
    names.insert(method->name().substr(0, method->name().find('/')));
  }
  return {names.begin(), names.end()};
}

}  // namespace

Server::Server(ServerOptions options)
    : core_(std::make_shared<ServerCore>(std::move(options))), health_(std::make_unique<Health>()) {
  KeepGrpc();
  health_->RegisterOn(*this);
  if (core_->options().reflection) {
    reflection_ = std::make_unique<Reflection>();
    reflection_->RegisterOn(*this);
  }
  auto unknown = std::make_unique<UnknownMethod>();
  unknown_ = unknown.get();
  methods_.push_back(std::move(unknown));
}

Server::~Server() { Stop(0); }

void Server::AddUnary(const Method& method, UnaryHandler handler) {
  CheckMethod(method.name, method.request, method.response, false, false);
  const int index = core_->table().Add(method.name, MethodTable::Type::NORMAL_RPC);
  methods_.push_back(
      std::make_unique<UnaryMethod>(method.name, index, method.request, std::move(handler)));
}

void Server::AddServerStream(const Method& method, StreamHandler handler) {
  CheckMethod(method.name, method.request, method.response, false, true);
  const int index = core_->table().Add(method.name, MethodTable::Type::SERVER_STREAMING);
  methods_.push_back(
      std::make_unique<ServerStreamMethod>(method.name, index, method.request, std::move(handler)));
}

void Server::AddBidi(const Method& method, BidiHandler handler) {
  CheckMethod(method.name, method.request, method.response, true, true);
  const int index = core_->table().Add(method.name, MethodTable::Type::BIDI_STREAMING);
  methods_.push_back(
      std::make_unique<BidiMethod>(method.name, index, method.request, std::move(handler)));
}

base::Status Server::Start() {
  ENSURE(server_ == nullptr, "a server is started once");
  const ServerOptions& options = core_->options();
  auto listener = Listener::Open({options.listen, options.max_connections,
                                  options.max_connections_per_address, options.clock});
  if (!listener.ok()) return listener.status();
  RETURN_IF_ERROR(CheckTls(options.tls));
  RETURN_IF_ERROR(BuildServer());
  listener_ = std::move(*listener);

  const std::vector<std::string> services = ServiceNames(methods_);
  if (reflection_ != nullptr) reflection_->SetServices(services);
  health_->SetServing("", true);
  for (const std::string& service : services) health_->SetServing(service, true);

  core_->loop().Run([this] { PostSlots(); });
  core_->loop().Flush();
  listener_->Start([this](int listening, int descriptor) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listening;
    connection.fd = descriptor;
    acceptor_->HandleNewConnection(&connection);
  });
  return {};
}

void Server::PostSlots() {
  for (const auto& method : methods_) {
    const int slots = method->unary() ? kUnarySlots : kStreamSlots;
    for (int i = 0; i < slots; ++i) method->PostSlot(*core_);
  }
}

base::Status Server::BuildServer() {
  using Builder = grpc::ServerBuilder;
  Builder builder;
  AddArguments(builder);
  builder.RegisterService(&core_->table());
  builder.RegisterAsyncGenericService(&unknown_->service());
  std::shared_ptr<Loop> loop = core_->options().loop;
  if (loop == nullptr) {
    own_loop_ = std::make_unique<LoopThread>();
    loop = own_loop_->loop();
  }
  builder.AddListeningPort("the loop", std::make_shared<QueueRegistrar>(loop->queue()));
  core_->SetLoop(std::move(loop));
  // gRPC insists on one of its own making. Nothing is ever asked for on it.
  idle_queue_ = builder.AddCompletionQueue();
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      Builder::experimental_type::ExternalConnectionType::FROM_FD,
      Credentials(core_->options().tls));
  server_ = builder.BuildAndStart();
  if (server_ != nullptr) return {};
  DrainIdleQueue();
  return {base::Code::kInternal, "gRPC cannot start a server"};
}

void Server::AddArguments(grpc::ServerBuilder& builder) const {
  const ServerOptions& options = core_->options();
  const auto set = [&](const char* name, int64_t value) {
    builder.AddChannelArgument(name, static_cast<int>(value));
  };
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_receive_bytes));
  set(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, options.handshake_timeout_ms);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, options.keepalive_time_ms);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout_ms);
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  set(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, options.min_client_ping_interval_ms);
  set(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

int Server::port() const { return listener_ == nullptr ? 0 : listener_->port(); }

void Server::SetServing(std::string_view service, bool serving) {
  health_->SetServing(service, serving);
}

void Server::Stop(int64_t grace_ms) {
  if (server_ == nullptr) return;
  health_->Stop();
  listener_->Stop();
  core_->loop().Run([core = core_] { core->BeginDrain(); });
  // Refuses new calls, waits for those under way, and cancels them when the grace is over. The loop
  // runs all the while: gRPC's Shutdown waits for what it has to bring back.
  server_->Shutdown(gpr_time_from_millis(grace_ms, GPR_TIMESPAN));
  std::promise<void> ended;
  std::future<void> end = ended.get_future();
  core_->loop().Run(
      [core = core_, ended = std::move(ended)]() mutable { core->BeginClose(std::move(ended)); });
  end.wait();
  core_->loop().Flush();
  own_loop_.reset();
  for (const auto& method : methods_) method->Release();
  server_.reset();
  DrainIdleQueue();
}

void Server::DrainIdleQueue() {
  idle_queue_->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (idle_queue_->Next(&tag, &ok)) {
  }
}

ServerStats Server::Stats() const {
  ServerStats stats;
  core_->FillStats(stats);
  if (listener_ != nullptr) {
    stats.connections = listener_->accepted_count();
    stats.refused_connections = listener_->refused_count();
    stats.accept_errors = listener_->error_count();
  }
  return stats;
}

}  // namespace matricula::rpc
