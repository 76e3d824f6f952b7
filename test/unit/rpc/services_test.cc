#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <thread>

#include <google/protobuf/descriptor.pb.h>

#include "health.grpc.pb.h"
#include "reflection.grpc.pb.h"
#include "test/unit/rpc/test_server.h"
#include "test/unit/rpc/tls_texts.h"

namespace matricula::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

struct RunningServer {
  explicit RunningServer(ServerOptions options = {}) : server(std::move(options)) {
    AddEcho(server);
    REQUIRE(server.Start().ok());
  }
  Server server;
};

std::string Health(const Server& server, const std::string& service) {
  TestContext context;
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const grpc::Status status =
      grpc::health::v1::Health::NewStub(ChannelTo(server))->Check(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return "NOT_FOUND";
  return status.ok() ? HealthCheckResponse::ServingStatus_Name(response.status()) : "failed";
}

TEST_CASE("rpc health: what is registered serves, until it is told otherwise") {
  RunningServer running;
  REQUIRE(Health(running.server, "") == "SERVING");
  REQUIRE(Health(running.server, "matricula.bench.EchoService") == "SERVING");
  REQUIRE(Health(running.server, "no.Such") == "NOT_FOUND");
  running.server.SetServing("matricula.bench.EchoService", false);
  REQUIRE(Health(running.server, "matricula.bench.EchoService") == "NOT_SERVING");
  REQUIRE(Health(running.server, "") == "SERVING");
  running.server.SetServing("matricula.bench.EchoService", true);
  REQUIRE(Health(running.server, "matricula.bench.EchoService") == "SERVING");
}

TEST_CASE("rpc health: who watches hears of every change, and of the stop") {
  RunningServer running;
  TestContext context;
  HealthCheckRequest request;
  request.set_service("later.Service");
  const auto stub = grpc::health::v1::Health::NewStub(ChannelTo(running.server));
  const auto reader = stub->Watch(&context, request);
  HealthCheckResponse response;
  REQUIRE(reader->Read(&response));
  REQUIRE(response.status() == HealthCheckResponse::SERVICE_UNKNOWN);
  for (const bool serving : {true, false, true}) {
    running.server.SetServing("later.Service", serving);
    REQUIRE(reader->Read(&response));
    REQUIRE(response.status() ==
            (serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING));
  }
  running.server.SetServing("later.Service", true);  // no change, no message
  std::thread stopper([&] { running.server.Stop(10'000); });
  REQUIRE(reader->Read(&response));
  REQUIRE(response.status() == HealthCheckResponse::NOT_SERVING);
  REQUIRE_FALSE(reader->Read(&response));
  REQUIRE(reader->Finish().ok());
  stopper.join();
}

struct ReflectionClient {
  explicit ReflectionClient(const Server& server)
      : stub(grpc::reflection::v1alpha::ServerReflection::NewStub(ChannelTo(server))),
        stream(stub->ServerReflectionInfo(&context)) {}

  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    REQUIRE(stream->Write(request));
    REQUIRE(stream->Read(&response));
    return response;
  }

  TestContext context;
  std::unique_ptr<grpc::reflection::v1alpha::ServerReflection::Stub> stub;
  std::unique_ptr<grpc::ClientReaderWriter<ServerReflectionRequest, ServerReflectionResponse>>
      stream;
};

std::set<std::string> FileNames(const ServerReflectionResponse& response) {
  std::set<std::string> names;
  for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    REQUIRE(file.ParseFromString(bytes));
    names.insert(file.name());
  }
  return names;
}

TEST_CASE("rpc reflection: tells services, files and symbols") {
  RunningServer running;
  ReflectionClient client(running.server);
  ServerReflectionRequest request;
  request.set_list_services("*");
  std::set<std::string> services;
  const ServerReflectionResponse listed = client.Ask(request);
  for (const auto& service : listed.list_services_response().service()) {
    services.insert(service.name());
  }
  REQUIRE(services == std::set<std::string>{"grpc.health.v1.Health",
                                            "grpc.reflection.v1alpha.ServerReflection",
                                            "matricula.bench.EchoService"});

  request.set_file_containing_symbol("matricula.bench.EchoService");
  REQUIRE(FileNames(client.Ask(request)) == std::set<std::string>{"bench.proto"});
  request.set_file_containing_symbol("etcdserverpb.KV.Range");  // with what it imports
  REQUIRE(FileNames(client.Ask(request)) ==
          std::set<std::string>{"etcd_kv.proto", "etcd_rpc.proto"});
  request.set_file_by_filename("matricula.proto");
  REQUIRE(FileNames(client.Ask(request)) == std::set<std::string>{"matricula.proto"});

  request.set_file_containing_symbol("no.Such");
  REQUIRE(client.Ask(request).error_response().error_code() == 5);
  request.set_file_by_filename("no_such.proto");
  REQUIRE(client.Ask(request).error_response().error_code() == 5);
  request.set_all_extension_numbers_of_type("project.Aluno");
  REQUIRE(client.Ask(request).all_extension_numbers_response().base_type_name() == "project.Aluno");
  request.mutable_file_containing_extension()->set_containing_type("no.Such");
  REQUIRE(client.Ask(request).error_response().error_code() == 5);
  request.clear_message_request();
  REQUIRE(client.Ask(request).error_response().error_code() == 3);
  client.stream->WritesDone();
  REQUIRE(client.stream->Finish().ok());
}

TEST_CASE("rpc reflection: can be left out") {
  ServerOptions options;
  options.reflection = false;
  RunningServer running(options);
  ReflectionClient client(running.server);
  REQUIRE(client.stream->Finish().error_code() == grpc::StatusCode::UNIMPLEMENTED);
}

ServerOptions TlsServer() {
  ServerOptions options;
  options.tls.certificate = kServerCertificate;
  options.tls.private_key = kServerKey;
  return options;
}

grpc::Status CallOverTls(const Server& server, const ChannelOptions& options) {
  EchoMessage response;
  return CallEcho(MakeChannel("localhost:" + std::to_string(server.port()), options), "x",
                  &response);
}

TEST_CASE("rpc tls: only who speaks it gets in") {
  RunningServer running(TlsServer());
  ChannelOptions options;
  REQUIRE_FALSE(CallOverTls(running.server, options).ok());
  options.server_authority = kAuthority;
  REQUIRE(CallOverTls(running.server, options).ok());
}

TEST_CASE("rpc tls: with a client authority, only who shows a certificate of it") {
  ServerOptions server_options = TlsServer();
  server_options.tls.client_authority = kAuthority;
  RunningServer running(server_options);
  ChannelOptions options;
  options.server_authority = kAuthority;
  REQUIRE_FALSE(CallOverTls(running.server, options).ok());
  options.certificate = kClientCertificate;
  options.private_key = kClientKey;
  REQUIRE(CallOverTls(running.server, options).ok());
}

TEST_CASE("rpc tls: unusable texts are an error at the start") {
  ServerOptions options = TlsServer();
  SECTION("the certificate") { options.tls.certificate = "not a certificate"; }
  SECTION("the key") { options.tls.private_key = kClientKey; }
  SECTION("the authority") { options.tls.client_authority = "nobody"; }
  Server server(options);
  REQUIRE(server.Start().code() == base::Code::kInvalidArgument);
}

TEST_CASE("rpc channel: numbers keep connections apart, equal ones share") {
  RunningServer running;
  EchoMessage response;
  const auto first = ChannelTo(running.server, 1);
  const auto same = ChannelTo(running.server, 1);
  const auto other = ChannelTo(running.server, 2);
  for (const auto& channel : {first, same, other}) REQUIRE(CallEcho(channel, "x", &response).ok());
  REQUIRE(running.server.Stats().connections == 2);
}

}  // namespace
}  // namespace matricula::rpc
