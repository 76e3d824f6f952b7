#include <atomic>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "common/rpc/loop.h"
#include "test_server.h"

namespace matricula::rpc {
namespace {

ServerOptions On(const LoopThread& thread) {
  ServerOptions options;
  options.loop = thread.loop();
  return options;
}

void AddThreadEcho(Server& server, std::atomic<std::thread::id>& seen) {
  server.Unary<EchoMessage, EchoMessage>(
      kEcho, [&seen](EchoMessage& request, const CallContext&, Responder<EchoMessage> responder) {
        seen = std::this_thread::get_id();
        responder.Finish(request);
      });
}

}  // namespace

TEST_CASE("rpc loop: tasks run on its thread, in order, and Flush waits for them") {
  const LoopThread thread;
  std::vector<int> seen;
  for (int i = 0; i < 1'000; ++i) thread.loop()->Run([&seen, i] { seen.push_back(i); });
  thread.loop()->Flush();
  REQUIRE(seen.size() == 1'000);
  for (int i = 0; i < 1'000; ++i) REQUIRE(seen[static_cast<size_t>(i)] == i);
}

TEST_CASE("rpc loop: whoever holds on to it after the end does no harm") {
  std::shared_ptr<Loop> held;
  {
    const LoopThread thread;
    held = thread.loop();
  }
  bool ran = false;
  held->Run([&ran] { ran = true; });
  held.reset();
  REQUIRE_FALSE(ran);
}

TEST_CASE("rpc loop: two servers share one, and one stops while the other goes on") {
  const LoopThread thread;
  std::atomic<std::thread::id> first_thread;
  std::atomic<std::thread::id> second_thread;
  auto first = std::make_unique<Server>(On(thread));
  Server second(On(thread));
  AddThreadEcho(*first, first_thread);
  AddThreadEcho(second, second_thread);
  REQUIRE(first->Start().ok());
  REQUIRE(second.Start().ok());

  EchoMessage response;
  const auto to_second = ChannelTo(second);
  REQUIRE(CallEcho(ChannelTo(*first, 1), "a", &response).ok());
  REQUIRE(CallEcho(to_second, "b", &response).ok());
  REQUIRE(first_thread.load() == second_thread.load());

  first->Stop(1'000);
  REQUIRE(CallEcho(to_second, "c", &response).ok());
  first.reset();
  REQUIRE(CallEcho(to_second, "d", &response).ok());
  REQUIRE(response.payload() == "d");

  // What nobody registered is answered on the shared queue as well.
  TestContext context;
  project::Status status;
  REQUIRE(project::PortalAdministrativo::NewStub(to_second)
              ->NovoAluno(&context, project::Aluno(), &status)
              .error_code() == grpc::StatusCode::UNIMPLEMENTED);
  second.Stop(1'000);
}

TEST_CASE("rpc loop: servers that come and go on one loop leave nothing behind") {
  const LoopThread thread;
  for (int i = 0; i < 20; ++i) {
    Server server(On(thread));
    AddEcho(server);
    REQUIRE(server.Start().ok());
    EchoMessage response;
    REQUIRE(CallEcho(ChannelTo(server, 100 + i), "x", &response).ok());
    if (i % 2 == 0) server.Stop(0);
  }
  thread.loop()->Flush();
}

}  // namespace matricula::rpc
