#include "common/rpc/server.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include <google/protobuf/descriptor.h>
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

namespace matricula::rpc {
namespace {

// Slots that wait for a call, per method. A burst larger than this is queued inside gRPC until the
// loop has posted new ones, which costs nothing measurable from a few on.
constexpr int kUnarySlots = 64;
constexpr int kStreamSlots = 4;

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

  for (const auto& method : methods_) {
    const int slots = method->unary() ? kUnarySlots : kStreamSlots;
    for (int i = 0; i < slots; ++i) method->PostSlot(*core_);
  }
  core_->loop().Start();
  listener_->Start([this](int listening, int descriptor) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listening;
    connection.fd = descriptor;
    acceptor_->HandleNewConnection(&connection);
  });
  return {};
}

base::Status Server::BuildServer() {
  using Builder = grpc::ServerBuilder;
  Builder builder;
  AddArguments(builder);
  builder.RegisterService(&core_->table());
  core_->SetLoop(builder.AddCompletionQueue());
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      Builder::experimental_type::ExternalConnectionType::FROM_FD,
      Credentials(core_->options().tls));
  server_ = builder.BuildAndStart();
  if (server_ != nullptr) return {};
  core_->loop().Quit();
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
  core_->loop().Run([core = core_] { core->BeginClose(); });
  core_->loop().Join();
  for (const auto& method : methods_) method->Release();
  server_.reset();
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
