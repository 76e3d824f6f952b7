#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/connection_table.h"
#include "test/unit/rpc/raw_socket.h"
#include "test/unit/rpc/test_server.h"

namespace matricula::rpc {
namespace {

std::unique_ptr<Server> StartServer(ServerOptions options = {}) {
  auto server = std::make_unique<Server>(std::move(options));
  AddEcho(*server);
  REQUIRE(server->Start() == base::OkStatus());
  return server;
}

bool Answers(const Server& server) {
  EchoMessage response;
  return CallEcho(ChannelTo(server, 1'000'000), "x", &response).ok();
}

base::Status StartAt(const std::string& address) {
  ServerOptions options;
  options.listen = address;
  Server server(options);
  return server.Start();
}

TEST_CASE("rpc listener: an address in use is a clear error") {
  const auto server = StartServer();
  const std::string address = "127.0.0.1:" + std::to_string(server->port());
  const base::Status status = StartAt(address);
  REQUIRE(status.code() == base::Code::kUnavailable);
  REQUIRE(status.message() == "cannot listen on " + address + ": Address already in use");
  REQUIRE(Answers(*server));
}

TEST_CASE("rpc listener: what is no address is a clear error") {
  for (const std::string address : {"", "50051", "localhost", "localhost:", "::1:50051",
                                    "127.0.0.1:http", "127.0.0.1:70000", "no such host:1"}) {
    const base::Status status = StartAt(address);
    INFO(address << " → " << status);
    REQUIRE(status.code() == base::Code::kInvalidArgument);
    REQUIRE(status.message().find(address) != std::string::npos);
  }
  // Nobody here has this address (RFC 5737).
  REQUIRE(StartAt("192.0.2.1:0").code() == base::Code::kUnavailable);
}

TEST_CASE("rpc listener: a name serves all its addresses") {
  ServerOptions options;
  options.listen = "localhost:0";
  const auto server = StartServer(options);
  EchoMessage response;
  REQUIRE(
      CallEcho(MakeChannel("localhost:" + std::to_string(server->port())), "x", &response).ok());
  REQUIRE(Answers(*server));
  ServerOptions everywhere;
  everywhere.listen = ":0";
  REQUIRE(Answers(*StartServer(everywhere)));
}

TEST_CASE("rpc listener: the port is free again at once after a stop") {
  ServerOptions options;
  for (int i = 0; i < 5; ++i) {
    const auto server = StartServer(options);
    REQUIRE(Answers(*server));
    options.listen = "127.0.0.1:" + std::to_string(server->port());
    server->Stop(1'000);
  }
}

TEST_CASE("rpc listener: garbage on the port harms nobody") {
  const auto server = StartServer();
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::vector<std::string> prefixes{
      "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01", preface,
      preface + std::string("\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9)};
  for (int i = 0; i < 100; ++i) {
    RawSocket socket(server->port());
    REQUIRE(socket.connected());
    std::string bytes = prefixes[i % prefixes.size()];
    const size_t length = random() % 2000;
    for (size_t j = 0; j < length; ++j) bytes += static_cast<char>(random());
    socket.Send(bytes);
    if (i % 10 == 0) REQUIRE(Answers(*server));
  }
  REQUIRE(Answers(*server));
}

TEST_CASE("rpc listener: what is not HTTP/2 is shown the door") {
  const auto server = StartServer();
  RawSocket socket(server->port());
  socket.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(socket.ClosedWithin(5'000));
}

TEST_CASE("rpc listener: a silent connection is closed when its time is over") {
  ServerOptions options;
  options.handshake_timeout_ms = 200;
  const auto server = StartServer(options);
  RawSocket socket(server->port());
  REQUIRE(socket.connected());
  REQUIRE(socket.ClosedWithin(5'000));
}

TEST_CASE("rpc listener: a thousand connections, each with its call") {
  constexpr int kConnections = 1'000;
  const auto server = StartServer();
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  grpc::CompletionQueue queue;
  struct Call {
    TestContext context;
    EchoMessage response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<EchoMessage>> reader;
  };
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < kConnections; ++i) {
    channels.push_back(ChannelTo(*server, i));
    auto& call = calls.emplace_back(std::make_unique<Call>());
    EchoMessage request;
    request.set_payload(std::to_string(i));
    call->reader = EchoService::NewStub(channels[i])->AsyncEcho(&call->context, request, &queue);
    call->reader->Finish(&call->response, &call->status, nullptr);
  }
  for (int i = 0; i < kConnections; ++i) {
    void* tag = nullptr;
    bool ok = false;
    REQUIRE(queue.Next(&tag, &ok));
  }
  for (int i = 0; i < kConnections; ++i) {
    if (!calls[i]->status.ok()) FAIL(calls[i]->status.error_message());
    if (calls[i]->response.payload() != std::to_string(i)) FAIL("a wrong answer");
  }
  REQUIRE(server->Stats().connections == kConnections);
  queue.Shutdown();
}

// CVE-2023-4785: gRPC's own listener never accepts again after this.
TEST_CASE("rpc listener: it accepts again when descriptors are to be had again") {
  const auto server = StartServer();
  REQUIRE(Answers(*server));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  // Sockets made beforehand connect without needing a descriptor; accepting them does.
  std::vector<Descriptor> clients;
  for (int i = 0; i < 20; ++i) clients.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
  const Descriptor next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  rlimit none = before;
  none.rlim_cur = next.get();  // every number below it is taken
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (const Descriptor& client : clients) {
    ::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
  }
  const bool failed = Eventually([&] { return server->Stats().accept_errors > 0; });
  // It rests between attempts, so there are few of them.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const uint64_t errors = server->Stats().accept_errors;
  ::setrlimit(RLIMIT_NOFILE, &before);
  REQUIRE(failed);
  REQUIRE(errors < 20);
  REQUIRE(Eventually([&] { return server->Stats().connections >= 21; }));
  REQUIRE(Answers(*server));
}

TEST_CASE("rpc listener: connections over a limit are closed, and taken when others have gone") {
  ServerOptions options;
  SECTION("of all") { options.max_connections = 5; }
  SECTION("of one address") { options.max_connections_per_address = 5; }
  const auto server = StartServer(options);
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (int i = 0; i < 5; ++i) sockets.push_back(std::make_unique<RawSocket>(server->port()));
  REQUIRE(Eventually([&] { return server->Stats().connections == 5; }));
  REQUIRE(RawSocket(server->port()).ClosedWithin(5'000));
  REQUIRE(server->Stats().refused_connections == 1);
  sockets.clear();
  REQUIRE(Eventually([&] { return Answers(*server); }));
}

TEST_CASE("rpc connection table: counts per address, and notices what was closed") {
  ConnectionTable table(4, 2);
  const auto open = [] { return Descriptor(::socket(AF_INET, SOCK_STREAM, 0)); };
  std::vector<Descriptor> sockets;
  for (int i = 0; i < 6; ++i) sockets.push_back(open());
  REQUIRE(table.Admit(sockets[0].get(), "a", 0));
  REQUIRE(table.Admit(sockets[1].get(), "a", 0));
  REQUIRE_FALSE(table.Admit(sockets[2].get(), "a", 0));
  REQUIRE(table.Admit(sockets[2].get(), "b", 0));
  REQUIRE(table.Admit(sockets[3].get(), "c", 0));
  REQUIRE_FALSE(table.Admit(sockets[4].get(), "d", 0));
  // A closed one is noticed, but not more often than every interval.
  sockets[2] = Descriptor();
  const int closed_ms = ConnectionTable::kSweepIntervalMs - 1;
  REQUIRE_FALSE(table.Admit(sockets[4].get(), "d", closed_ms));
  REQUIRE(table.Admit(sockets[4].get(), "d", ConnectionTable::kSweepIntervalMs));
  REQUIRE(table.size() == 4);
  // A number given out anew frees its old place without looking.
  REQUIRE(table.Admit(sockets[0].get(), "e", 0));
  REQUIRE(table.size() == 4);
  // Only sockets are connections.
  const Descriptor file(::open("/dev/null", O_RDONLY));
  REQUIRE_FALSE(ConnectionTable(4, 4).Admit(file.get(), "a", 0));
}

}  // namespace
}  // namespace matricula::rpc
