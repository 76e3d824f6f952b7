#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/generic/generic_stub.h>

#include "common/base/clock.h"
#include "common/rpc/grpc_status.h"
#include "test/unit/rpc/test_server.h"

namespace matricula::rpc {
namespace {

using EchoHandler = std::function<void(EchoMessage&, const CallContext&, Responder<EchoMessage>)>;

std::unique_ptr<Server> StartServer(EchoHandler handler, ServerOptions options = {}) {
  auto server = std::make_unique<Server>(std::move(options));
  server->Unary<EchoMessage, EchoMessage>(kEcho, std::move(handler));
  REQUIRE(server->Start() == base::OkStatus());
  return server;
}

// A call that somebody else ends: keeps the responders that handlers get.
class Shelf {
 public:
  void Put(Responder<EchoMessage> responder) {
    std::lock_guard lock(mutex_);
    responders_.push_back(std::move(responder));
  }
  size_t size() {
    std::lock_guard lock(mutex_);
    return responders_.size();
  }
  std::vector<Responder<EchoMessage>> TakeAll() {
    std::lock_guard lock(mutex_);
    return std::exchange(responders_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<Responder<EchoMessage>> responders_;
};

TEST_CASE("rpc unary: the answer is what the handler finishes with") {
  Server server({});
  AddEcho(server);
  REQUIRE(server.Start().ok());
  EchoMessage response;
  REQUIRE(CallEcho(ChannelTo(server), "prolog", &response).ok());
  REQUIRE(response.payload() == "prolog");
  const bool counted = Eventually([&] { return server.Stats().calls == 1; });
  REQUIRE(counted);
}

TEST_CASE("rpc unary: the context shows metadata, peer and deadline") {
  struct Seen {
    std::optional<std::string> id;
    bool other = true;
    std::string peer;
    int64_t left_ns = 0;
  };
  std::mutex mutex;
  Seen seen;
  const auto server =
      StartServer([&](EchoMessage& request, const CallContext& context, auto responder) {
        std::lock_guard lock(mutex);
        const auto id = context.Metadata("x-request-id");
        if (id.has_value()) seen.id = std::string(*id);
        seen.other = context.Metadata("x-request").has_value();
        seen.peer = context.Peer();
        seen.left_ns = context.DeadlineNs() == kNoDeadlineNs
                           ? kNoDeadlineNs
                           : context.DeadlineNs() - base::SystemClock().MonotonicNs();
        responder.Finish(request);
      });
  EchoMessage response;
  grpc::ClientContext with_all;
  with_all.AddMetadata("x-request-id", "abc-1");
  SetDeadline(with_all, 5'000);
  REQUIRE(CallEcho(ChannelTo(*server), "x", &response, &with_all).ok());
  std::unique_lock lock(mutex);
  REQUIRE(seen.id == "abc-1");
  REQUIRE_FALSE(seen.other);
  REQUIRE(seen.peer.rfind("ipv4:127.0.0.1:", 0) == 0);
  REQUIRE(seen.left_ns > 3'000'000'000);
  REQUIRE(seen.left_ns < 5'100'000'000);

  lock.unlock();
  grpc::ClientContext without;
  REQUIRE(CallEcho(ChannelTo(*server), "x", &response, &without).ok());
  lock.lock();
  REQUIRE(seen.left_ns == kNoDeadlineNs);
}

TEST_CASE("rpc unary: every error code and its message arrive") {
  std::mutex mutex;
  base::Status failure;
  const auto server = StartServer([&](EchoMessage&, const CallContext&, auto responder) {
    std::lock_guard lock(mutex);
    responder.Fail(failure);
  });
  const auto channel = ChannelTo(*server);
  std::vector<int> codes{static_cast<int>(base::Code::kOutcomeUnknown)};
  for (int code = 1; code <= static_cast<int>(base::Code::kDataLoss); ++code) codes.push_back(code);
  for (const int code : codes) {
    {
      std::lock_guard lock(mutex);
      failure = {static_cast<base::Code>(code), "não há quórum"};
    }
    EchoMessage response;
    const grpc::Status status = CallEcho(channel, "x", &response);
    std::lock_guard lock(mutex);
    REQUIRE(FromGrpc(status) == failure);
    REQUIRE(status.error_code() != grpc::StatusCode::OK);
  }
  REQUIRE(ToGrpc({base::Code::kOutcomeUnknown, "x"}).error_code() == grpc::StatusCode::UNKNOWN);
  REQUIRE(ToGrpc({base::Code::kDataLoss, "x"}).error_code() == grpc::StatusCode::DATA_LOSS);
}

TEST_CASE("rpc unary: a dropped responder answers INTERNAL") {
  const auto server = StartServer([](EchoMessage&, const CallContext&, auto) {});
  EchoMessage response;
  REQUIRE(CallEcho(ChannelTo(*server), "x", &response).error_code() == grpc::StatusCode::INTERNAL);
}

TEST_CASE("rpc unary: answers may come from any thread") {
  constexpr int kThreads = 16;
  constexpr int kCalls = 100;
  std::vector<std::thread> answerers;
  std::mutex mutex;
  const auto server = StartServer([&](EchoMessage& request, const CallContext&, auto responder) {
    std::lock_guard lock(mutex);
    answerers.emplace_back([&request, responder = std::move(responder)]() mutable {
      std::this_thread::yield();
      responder.Finish(request);  // the request is the call's, and still there
    });
  });
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < kThreads; ++t) {
    callers.emplace_back([&, t] {
      const auto channel = ChannelTo(*server, t % 4);
      for (int i = 0; i < kCalls; ++i) {
        const std::string text = std::to_string(t) + "/" + std::to_string(i);
        EchoMessage response;
        if (CallEcho(channel, text, &response).ok() && response.payload() == text) ++right;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  std::lock_guard lock(mutex);
  for (auto& answerer : answerers) answerer.join();
  REQUIRE(right == kThreads * kCalls);
}

TEST_CASE("rpc unary: what nobody registered is UNIMPLEMENTED") {
  Server server({});
  AddEcho(server);
  REQUIRE(server.Start().ok());
  TestContext context;
  project::Status status;
  const auto stub = project::PortalAdministrativo::NewStub(ChannelTo(server));
  REQUIRE(stub->NovoAluno(&context, project::Aluno(), &status).error_code() ==
          grpc::StatusCode::UNIMPLEMENTED);
}

grpc::Status CallWithBytes(const Server& server, const std::string& bytes) {
  grpc::CompletionQueue queue;
  TestContext context;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::GenericStub stub(ChannelTo(server));
  auto call = stub.PrepareUnaryCall(&context, "/matricula.bench.EchoService/Echo", request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return status;
}

TEST_CASE("rpc unary: a request that does not parse never reaches the handler") {
  std::atomic<int> handled{0};
  const auto server = StartServer([&](EchoMessage& request, const CallContext&, auto responder) {
    ++handled;
    responder.Finish(request);
  });
  const std::vector<std::string> bad{
      "\xff\xff\xff\xff",                    // no field
      std::string("\x0a\x7f", 2) + "short",  // shorter than it says
      std::string("\x0a\x02\xc3\x28", 4),    // not UTF-8
  };
  for (const std::string& bytes : bad) {
    const grpc::Status status = CallWithBytes(*server, bytes);
    REQUIRE(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
    REQUIRE(status.error_message() == "the request is not a valid matricula.bench.EchoMessage");
  }
  REQUIRE(handled == 0);
  REQUIRE(CallWithBytes(*server, std::string("\x0a\x02ok", 4)).ok());
  REQUIRE(handled == 1);
}

TEST_CASE("rpc unary: a message over the limit is RESOURCE_EXHAUSTED") {
  ServerOptions options;
  options.max_receive_bytes = 100'000;
  Server server(options);
  AddEcho(server);
  REQUIRE(server.Start().ok());
  const auto channel = ChannelTo(server);
  EchoMessage response;
  REQUIRE(CallEcho(channel, std::string(99'900, 'x'), &response).ok());
  REQUIRE(CallEcho(channel, std::string(100'001, 'x'), &response).error_code() ==
          grpc::StatusCode::RESOURCE_EXHAUSTED);
  REQUIRE(CallEcho(channel, std::string(5 << 20, 'x'), &response).error_code() ==
          grpc::StatusCode::RESOURCE_EXHAUSTED);
  REQUIRE(CallEcho(channel, "still there", &response).ok());
}

TEST_CASE("rpc unary: calls over the limit are refused, and taken again when there is room") {
  ServerOptions options;
  options.max_calls_in_flight = 4;
  Shelf shelf;
  const auto server = StartServer(
      [&](EchoMessage&, const CallContext&, auto responder) { shelf.Put(std::move(responder)); },
      options);
  const auto channel = ChannelTo(*server);
  std::vector<std::thread> callers;
  std::atomic<int> answered{0};
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      EchoMessage response;
      if (CallEcho(channel, "x", &response).ok()) ++answered;
    });
  }
  const bool full = Eventually([&] { return shelf.size() == 4; });
  EchoMessage response;
  const grpc::Status refused = CallEcho(channel, "one more", &response);
  for (auto& responder : shelf.TakeAll()) responder.Finish(EchoMessage());
  for (auto& caller : callers) caller.join();
  REQUIRE(full);
  REQUIRE(refused.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  REQUIRE(answered == 4);
  REQUIRE(server->Stats().refused_calls == 1);

  std::thread caller([&] { CallEcho(channel, "again", &response); });
  const bool taken = Eventually([&] { return shelf.size() == 1; });
  for (auto& responder : shelf.TakeAll()) responder.Finish(EchoMessage());
  caller.join();
  REQUIRE(taken);
}

TEST_CASE("rpc unary: who gives up is noticed, and an answer that comes later is ignored") {
  Shelf shelf;
  std::atomic<const CallContext*> seen{nullptr};
  const auto server = StartServer([&](EchoMessage&, const CallContext& context, auto responder) {
    seen = &context;
    shelf.Put(std::move(responder));
  });
  const auto channel = ChannelTo(*server);
  grpc::ClientContext context;
  auto expected = grpc::StatusCode::CANCELLED;
  SECTION("by cancelling") {}
  SECTION("by a deadline") {
    SetDeadline(context, 1'000);
    expected = grpc::StatusCode::DEADLINE_EXCEEDED;
  }
  grpc::Status status;
  std::thread caller([&] {
    EchoMessage response;
    status = CallEcho(channel, "x", &response, &context);
  });
  const bool arrived = Eventually([&] { return shelf.size() == 1; });
  const bool early = arrived && seen.load()->Cancelled();
  if (expected == grpc::StatusCode::CANCELLED) context.TryCancel();
  caller.join();
  REQUIRE(arrived);
  REQUIRE_FALSE(early);
  REQUIRE(status.error_code() == expected);
  REQUIRE(Eventually([&] { return seen.load()->Cancelled(); }));
  // The handler still holds it, so it still counts.
  REQUIRE(Eventually([&] { return server->Stats().calls == 1; }));
  REQUIRE(server->Stats().calls_in_flight == 1);
  for (auto& responder : shelf.TakeAll()) responder.Finish(EchoMessage());
  REQUIRE(server->Stats().calls_in_flight == 0);
}

TEST_CASE("rpc unary: an observer hears of every call") {
  class Recorder : public CallObserver {
   public:
    void OnCallEnd(std::string_view method, base::Code code, int64_t duration_ns) override {
      std::lock_guard lock(mutex);
      if (method == kEcho && duration_ns >= 0) codes.push_back(code);
    }
    std::mutex mutex;
    std::vector<base::Code> codes;
  } recorder;
  ServerOptions options;
  options.observer = &recorder;
  const auto server = StartServer(
      [&](EchoMessage& request, const CallContext&, auto responder) {
        if (request.payload() == "bad") {
          responder.Fail({base::Code::kAborted, "x"});
        } else {
          responder.Finish(request);
        }
      },
      options);
  EchoMessage response;
  const bool good = CallEcho(ChannelTo(*server), "good", &response).ok();
  const bool bad = CallEcho(ChannelTo(*server), "bad", &response).ok();
  REQUIRE(good);
  REQUIRE_FALSE(bad);
  server->Stop(1'000);
  REQUIRE(recorder.codes == std::vector{base::Code::kOk, base::Code::kAborted});
}

TEST_CASE("rpc unary: a large request's memory is not kept, small ones reuse theirs") {
  // What can be seen of it from outside: the answers stay right when sizes alternate.
  Server server({});
  AddEcho(server);
  REQUIRE(server.Start().ok());
  const auto channel = ChannelTo(server);
  for (int i = 0; i < 200; ++i) {
    const std::string text(i % 7 == 0 ? 300'000 : i % 5 * 10, static_cast<char>('a' + i % 26));
    EchoMessage response;
    REQUIRE(CallEcho(channel, text, &response).ok());
    REQUIRE(response.payload() == text);
  }
}

}  // namespace
}  // namespace matricula::rpc
