#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "test/unit/rpc/test_server.h"

namespace matricula::rpc {
namespace {

// Answers calls on a thread of its own, a moment later.
class SlowWorker {
 public:
  SlowWorker() : thread_([this] { Work(); }) {}
  ~SlowWorker() {
    stop_ = true;
    thread_.join();
  }
  void Add(Responder<EchoMessage> responder) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(responder));
  }
  std::atomic<int> answered{0};

 private:
  void Work() {
    while (!stop_) {
      std::deque<Responder<EchoMessage>> batch;
      {
        std::lock_guard lock(mutex_);
        batch.swap(waiting_);
      }
      for (auto& responder : batch) {
        ++answered;
        responder.Finish(EchoMessage());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::deque<Responder<EchoMessage>> waiting_;
  std::thread thread_;
};

TEST_CASE("rpc stop: under load, what was answered arrives and the rest is refused") {
  SlowWorker worker;
  Server server({});
  server.Unary<EchoMessage, EchoMessage>(
      kEcho, [&](EchoMessage&, const CallContext&, Responder<EchoMessage> responder) {
        worker.Add(std::move(responder));
      });
  REQUIRE(server.Start().ok());
  std::atomic<int> good{0};
  std::atomic<int> refused{0};
  std::atomic<int> strange{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 16; ++c) {
    clients.emplace_back([&, c] {
      const auto channel = ChannelTo(server, c % 4);
      while (true) {
        EchoMessage response;
        const grpc::Status status = CallEcho(channel, "x", &response);
        if (status.ok()) {
          ++good;
          continue;
        }
        // CANCELLED is what gRPC says to a call that arrives in the very moment of the stop.
        const bool expected = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                              status.error_code() == grpc::StatusCode::CANCELLED;
        ++(expected ? refused : strange);
        return;
      }
    });
  }
  REQUIRE(Eventually([&] { return good > 500; }));
  server.Stop(10'000);
  for (auto& client : clients) client.join();
  REQUIRE(good == worker.answered);
  REQUIRE(strange == 0);
  REQUIRE(refused == 16);
}

TEST_CASE("rpc stop: calls that nobody answers end with the grace, and late answers are ignored") {
  std::mutex mutex;
  std::optional<Responder<EchoMessage>> kept;
  std::optional<StreamWriter<project::Aluno>> writer;
  auto server = std::make_unique<Server>(ServerOptions{});
  server->Unary<EchoMessage, EchoMessage>(
      kEcho, [&](EchoMessage&, const CallContext&, Responder<EchoMessage> responder) {
        std::lock_guard lock(mutex);
        kept = std::move(responder);
      });
  server->ServerStream<project::Vazia, project::Aluno>(
      kListing, [&](project::Vazia&, const CallContext&, StreamWriter<project::Aluno> stream) {
        std::lock_guard lock(mutex);
        writer = std::move(stream);
      });
  REQUIRE(server->Start().ok());
  const auto channel = ChannelTo(*server);
  grpc::Status unary;
  grpc::Status stream;
  std::thread unary_client([&] {
    EchoMessage response;
    unary = CallEcho(channel, "x", &response);
  });
  std::thread stream_client([&] {
    TestContext context;
    const auto stub = project::PortalAdministrativo::NewStub(channel);
    const auto reader = stub->ObtemTodosAlunos(&context, project::Vazia());
    project::Aluno aluno;
    while (reader->Read(&aluno)) {
    }
    stream = reader->Finish();
  });
  REQUIRE(Eventually([&] {
    std::lock_guard lock(mutex);
    return kept.has_value() && writer.has_value();
  }));
  const int64_t start_ms = base::SystemClock().MonotonicMs();
  server->Stop(300);
  const int64_t took_ms = base::SystemClock().MonotonicMs() - start_ms;
  unary_client.join();
  stream_client.join();
  REQUIRE(took_ms >= 300);
  REQUIRE(took_ms < 3'000);
  REQUIRE(unary.error_code() == grpc::StatusCode::UNAVAILABLE);
  REQUIRE(stream.error_code() == grpc::StatusCode::UNAVAILABLE);
  server.reset();
  kept->Finish(EchoMessage());
  writer->Write(project::Aluno(), [] {});
  writer->Finish();
  writer.reset();
}

TEST_CASE("rpc stop: answers that race with the stop are sent or ignored, never more") {
  for (int round = 0; round < 30; ++round) {
    std::mutex mutex;
    std::vector<Responder<EchoMessage>> kept;
    auto server = std::make_unique<Server>(ServerOptions{});
    server->Unary<EchoMessage, EchoMessage>(
        kEcho, [&](EchoMessage&, const CallContext&, Responder<EchoMessage> responder) {
          std::lock_guard lock(mutex);
          kept.push_back(std::move(responder));
        });
    REQUIRE(server->Start().ok());
    std::vector<std::thread> clients;
    for (int c = 0; c < 8; ++c) {
      clients.emplace_back([channel = ChannelTo(*server, c)] {
        EchoMessage response;
        CallEcho(channel, "x", &response);
      });
    }
    REQUIRE(Eventually([&] {
      std::lock_guard lock(mutex);
      return kept.size() == 8;
    }));
    std::thread answerer([&] {
      for (auto& responder : kept) {
        responder.Finish(EchoMessage());
        std::this_thread::sleep_for(std::chrono::microseconds(50 * round % 400));
      }
    });
    server->Stop(0);
    server.reset();
    answerer.join();
    for (auto& client : clients) client.join();
  }
}

TEST_CASE("rpc stop: a stream whose client does not read cannot hold it up") {
  Server server({});
  server.ServerStream<project::Vazia, project::Aluno>(
      kListing, [](project::Vazia&, const CallContext&, StreamWriter<project::Aluno> writer) {
        project::Aluno aluno;
        aluno.set_nome(std::string(1'000'000, 'x'));
        writer.Write(std::vector(50, aluno), [writer] {});
      });
  REQUIRE(server.Start().ok());
  TestContext context;
  const auto stub = project::PortalAdministrativo::NewStub(ChannelTo(server));
  const auto reader = stub->ObtemTodosAlunos(&context, project::Vazia());
  project::Aluno aluno;
  REQUIRE(reader->Read(&aluno));
  const int64_t start_ms = base::SystemClock().MonotonicMs();
  server.Stop(200);
  REQUIRE(base::SystemClock().MonotonicMs() - start_ms < 3'000);
  while (reader->Read(&aluno)) {
  }
  REQUIRE(reader->Finish().error_code() == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("rpc stop: it may be called twice, early, or not at all") {
  {
    Server never_started({});
    AddEcho(never_started);
    never_started.Stop(1'000);
  }
  Server server({});
  AddEcho(server);
  REQUIRE(server.Start().ok());
  const int64_t start_ms = base::SystemClock().MonotonicMs();
  server.Stop(60'000);  // nobody is there to be waited for
  server.Stop(60'000);
  REQUIRE(base::SystemClock().MonotonicMs() - start_ms < 3'000);
  Server not_stopped({});
  AddEcho(not_stopped);
  REQUIRE(not_stopped.Start().ok());
  EchoMessage response;
  REQUIRE(CallEcho(ChannelTo(not_stopped), "x", &response).ok());
}

}  // namespace
}  // namespace matricula::rpc
