#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "test/unit/rpc/test_server.h"

namespace matricula::rpc {
namespace {

using AlunoWriter = StreamWriter<project::Aluno>;
using ListingHandler = std::function<void(project::Vazia&, const CallContext&, AlunoWriter)>;

std::unique_ptr<Server> StartServer(ListingHandler handler, ServerOptions options = {}) {
  auto server = std::make_unique<Server>(std::move(options));
  server->ServerStream<project::Vazia, project::Aluno>(kListing, std::move(handler));
  REQUIRE(server->Start() == base::OkStatus());
  return server;
}

struct Client {
  explicit Client(const Server& server)
      : stub(project::PortalAdministrativo::NewStub(ChannelTo(server))),
        reader(stub->ObtemTodosAlunos(&context, project::Vazia())) {}
  ~Client() { context.TryCancel(); }

  std::optional<std::string> Next() {
    project::Aluno aluno;
    if (!reader->Read(&aluno)) return std::nullopt;
    return aluno.matricula();
  }
  grpc::Status End() {
    while (Next().has_value()) {
    }
    return reader->Finish();
  }

  TestContext context;
  std::unique_ptr<project::PortalAdministrativo::Stub> stub;
  std::unique_ptr<grpc::ClientReader<project::Aluno>> reader;
};

project::Aluno MakeAluno(int number, size_t name_bytes = 10) {
  project::Aluno aluno;
  aluno.set_matricula(std::to_string(number));
  aluno.set_nome(std::string(name_bytes, 'n'));
  return aluno;
}

// Students 0 to `total`, a page at a time, each page made only when it is asked for.
class Listing : public std::enable_shared_from_this<Listing> {
 public:
  Listing(AlunoWriter writer, int total, int page, size_t name_bytes = 10)
      : writer_(std::move(writer)), total_(total), page_(page), name_bytes_(name_bytes) {}

  void WritePage() {
    if (next_ == total_) {
      writer_.Finish();
      return;
    }
    std::vector<project::Aluno> alunos;
    for (int i = 0; i < page_ && next_ < total_; ++i) {
      alunos.push_back(MakeAluno(next_++, name_bytes_));
    }
    ++pages;
    writer_.Write(alunos, [self = shared_from_this()] { self->WritePage(); });
  }

  std::atomic<int> pages{0};

 private:
  AlunoWriter writer_;
  const int total_;
  const int page_;
  const size_t name_bytes_;
  int next_ = 0;
};

TEST_CASE("rpc stream: a long listing arrives whole and in order") {
  const auto server = StartServer([](auto&, const CallContext&, AlunoWriter writer) {
    std::make_shared<Listing>(writer, 20'000, 256)->WritePage();
  });
  Client client(*server);
  int expected = 0;
  while (const auto matricula = client.Next()) {
    if (*matricula != std::to_string(expected)) break;
    ++expected;
  }
  REQUIRE(expected == 20'000);
  REQUIRE(client.End().ok());
}

// With a buffer hint on the first message, gRPC waits for its headers to be written and does not
// write them: the stream stood still until some ping came by.
TEST_CASE("rpc stream: a first page of several messages does not stand still") {
  const auto server = StartServer([](auto&, const CallContext&, AlunoWriter writer) {
    writer.Write(std::vector{MakeAluno(1), MakeAluno(2), MakeAluno(3)},
                 [writer]() mutable { writer.Finish(); });
  });
  const auto connection = ChannelTo(*server);
  const int64_t start_ms = base::SystemClock().MonotonicMs();
  for (int i = 0; i < 5; ++i) {
    REQUIRE(Client(*server).End().ok());
    // Until the connection has nothing else to write that would help.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  REQUIRE(base::SystemClock().MonotonicMs() - start_ms < 3'000);
}

TEST_CASE("rpc stream: pages are made only as fast as the client reads") {
  std::mutex mutex;
  std::shared_ptr<Listing> listing;
  const auto server = StartServer([&](auto&, const CallContext&, AlunoWriter writer) {
    auto made = std::make_shared<Listing>(writer, 10'000, 10, 10'000);
    {
      std::lock_guard lock(mutex);
      listing = made;
    }
    made->WritePage();
  });
  Client client(*server);
  REQUIRE(client.Next() == "0");
  // A page is 100 kB, all of them 100 MB. The client reads no further, so soon nothing moves.
  std::shared_ptr<Listing> seen;
  {
    std::lock_guard lock(mutex);
    seen = listing;
  }
  int pages = 0;
  const bool settled = Eventually([&] {
    const int before = std::exchange(pages, seen->pages.load());
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return before == pages;
  });
  REQUIRE(settled);
  REQUIRE(pages < 200);
  // It goes on where it was.
  for (int i = 1; i < 5'000; ++i) REQUIRE(client.Next() == std::to_string(i));
  REQUIRE(seen->pages >= 500);
  std::lock_guard lock(mutex);
  listing.reset();
}

TEST_CASE("rpc stream: it ends as the handler says, after what was written") {
  base::Status end;
  std::vector<std::thread> threads;
  const auto server = StartServer([&](auto&, const CallContext&, AlunoWriter writer) {
    threads.emplace_back([&end, writer]() mutable {
      writer.Write(std::vector{MakeAluno(1), MakeAluno(2)}, [] {});
      end.ok() ? writer.Finish() : writer.Fail(end);
      writer.Fail({base::Code::kInternal, "the first end counts"});
    });
  });
  SECTION("well") {}
  SECTION("with an error") { end = {base::Code::kUnavailable, "sem quórum"}; }
  Client client(*server);
  REQUIRE(client.Next() == "1");
  REQUIRE(client.Next() == "2");
  const grpc::Status status = client.End();
  threads[0].join();
  REQUIRE(static_cast<int>(status.error_code()) == static_cast<int>(end.code()));
  REQUIRE(status.error_message() == end.message());
}

TEST_CASE("rpc stream: an empty stream is an answer") {
  const auto server =
      StartServer([](auto&, const CallContext&, AlunoWriter writer) { writer.Finish(); });
  Client client(*server);
  REQUIRE_FALSE(client.Next().has_value());
  REQUIRE(client.End().ok());
}

TEST_CASE("rpc stream: a dropped writer ends with INTERNAL") {
  const auto server = StartServer([](auto&, const CallContext&, AlunoWriter writer) {
    // The writer's last copy goes with the continuation.
    writer.Write(MakeAluno(1), [writer] {});
  });
  Client client(*server);
  REQUIRE(client.End().error_code() == grpc::StatusCode::INTERNAL);
}

// Notices when it is destroyed without having been called.
struct Witness {
  explicit Witness(std::atomic<int>* count) : count_(count) {}
  Witness(Witness&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  ~Witness() {
    if (count_ != nullptr) ++*count_;
  }
  std::atomic<int>* count_;
};

TEST_CASE("rpc stream: a client that goes away closes the stream once") {
  std::atomic<int> closed{0};
  std::atomic<int> dropped{0};
  std::atomic<int> called{0};
  std::optional<AlunoWriter> kept;
  std::mutex mutex;
  const auto server = StartServer([&](auto&, const CallContext&, AlunoWriter writer) {
    writer.OnClosed([&closed] { ++closed; });
    // More than the client's flow control takes, so that the page is still being written.
    writer.Write(std::vector(200, MakeAluno(1, 100'000)),
                 [&called, witness = Witness(&dropped)] { ++called; });
    std::lock_guard lock(mutex);
    kept = std::move(writer);
  });
  {
    Client client(*server);
    REQUIRE(client.Next() == "1");
  }
  const bool noticed = Eventually([&] { return closed == 1 && dropped == 1; });
  REQUIRE(noticed);
  REQUIRE(called == 0);
  const bool left = Eventually([&] { return server->Stats().open_streams == 0; });
  REQUIRE(left);
  // What comes now is too late, and harmless.
  std::lock_guard lock(mutex);
  kept->Write(MakeAluno(2), [&called, witness = Witness(&dropped)] { ++called; });
  REQUIRE(dropped == 2);
  kept->Finish();
  kept->OnClosed([&closed] { ++closed; });
  REQUIRE(closed == 2);
  REQUIRE(called == 0);
  kept.reset();
}

TEST_CASE("rpc stream: the end of a finished stream is told, too") {
  std::atomic<int> closed{0};
  const auto server = StartServer([&](auto&, const CallContext&, AlunoWriter writer) {
    writer.OnClosed([&closed] { ++closed; });
    writer.Finish();
  });
  REQUIRE(Client(*server).End().ok());
  const bool told = Eventually([&] { return closed == 1; });
  REQUIRE(told);
}

TEST_CASE("rpc stream: streams over the limit are refused") {
  ServerOptions options;
  options.max_open_streams = 2;
  std::mutex mutex;
  std::vector<AlunoWriter> writers;
  const auto server = StartServer(
      [&](auto&, const CallContext&, AlunoWriter writer) {
        writer.Write(MakeAluno(1), [] {});
        std::lock_guard lock(mutex);
        writers.push_back(std::move(writer));
      },
      options);
  Client first(*server);
  Client second(*server);
  REQUIRE(first.Next() == "1");
  REQUIRE(second.Next() == "1");
  REQUIRE(Client(*server).End().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  {
    std::lock_guard lock(mutex);
    writers[0].Finish();
    writers[1].Finish();
  }
  const bool left = Eventually([&] { return server->Stats().open_streams == 0; });
  REQUIRE(left);
  Client third(*server);
  REQUIRE(third.Next() == "1");
}

}  // namespace
}  // namespace matricula::rpc
