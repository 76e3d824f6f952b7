#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include "test/unit/rpc/test_server.h"

namespace matricula::rpc {
namespace {

using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;
using WatchStream = BidiStream<WatchRequest, WatchResponse>;
using WatchHandler = std::function<void(const CallContext&, WatchStream)>;

std::unique_ptr<Server> StartServer(WatchHandler handler, ServerOptions options = {}) {
  auto server = std::make_unique<Server>(std::move(options));
  server->Bidi<WatchRequest, WatchResponse>(kConversation, std::move(handler));
  REQUIRE(server->Start() == base::OkStatus());
  return server;
}

struct Client {
  explicit Client(const Server& server) : Client(ChannelTo(server)) {}
  explicit Client(const std::shared_ptr<grpc::Channel>& channel)
      : stub(etcdserverpb::Watch::NewStub(channel)), stream(stub->Watch(&context)) {}
  ~Client() { context.TryCancel(); }

  bool Send(int64_t number) {
    WatchRequest request;
    request.mutable_create_request()->set_watch_id(number);
    return stream->Write(request);
  }
  std::optional<int64_t> Receive() {
    WatchResponse response;
    if (!stream->Read(&response)) return std::nullopt;
    return response.watch_id();
  }
  grpc::Status End() {
    while (Receive().has_value()) {
    }
    return stream->Finish();
  }

  TestContext context;
  std::unique_ptr<etcdserverpb::Watch::Stub> stub;
  std::unique_ptr<grpc::ClientReaderWriter<WatchRequest, WatchResponse>> stream;
};

WatchResponse Answer(int64_t number, size_t bytes = 0) {
  WatchResponse response;
  response.set_watch_id(number);
  response.set_cancel_reason(std::string(bytes, 'x'));
  return response;
}

// Answers every message with its number until the client has sent its last.
void Parrot(const CallContext& context, WatchStream stream) {
  WatchStream reader = stream;
  reader.Read([&context, stream](WatchRequest* request) mutable {
    if (request == nullptr) {
      stream.Finish();
      return;
    }
    if (stream.Send(Answer(request->create_request().watch_id())) == SendResult::kQueued) {
      Parrot(context, stream);
    }
  });
}

// Keeps the streams that handlers get.
struct Streams {
  void Put(WatchStream stream) {
    std::lock_guard lock(mutex);
    all.push_back(std::move(stream));
  }
  std::optional<WatchStream> First() {
    std::lock_guard lock(mutex);
    if (all.empty()) return std::nullopt;
    return all[0];
  }
  void Clear() {
    std::vector<WatchStream> gone;
    std::lock_guard lock(mutex);
    gone.swap(all);
  }
  std::mutex mutex;
  std::vector<WatchStream> all;
};

TEST_CASE("rpc bidi: a conversation, ended by the client") {
  const auto server = StartServer(Parrot);
  Client client(*server);
  for (int i = 1; i <= 100; ++i) {
    REQUIRE(client.Send(i));
    REQUIRE(client.Receive() == i);
  }
  client.stream->WritesDone();
  REQUIRE(client.End().ok());
}

TEST_CASE("rpc bidi: what is sent before the end arrives before it") {
  base::Status end;
  std::atomic<int> queued{0};
  std::atomic<bool> closed{false};
  const auto server = StartServer([&](const CallContext&, WatchStream stream) {
    for (int i = 0; i < 500; ++i) queued += stream.Send(Answer(i)) == SendResult::kQueued ? 1 : 0;
    stream.Finish(end);
    closed = stream.Send(Answer(500)) == SendResult::kClosed;
  });
  SECTION("all of it, when it ends well") {
    Client client(*server);
    for (int i = 0; i < 500; ++i) REQUIRE(client.Receive() == i);
    REQUIRE(client.End().ok());
  }
  SECTION("in order, but not all of it, when it ends with an error") {
    end = {base::Code::kOutOfRange, "compacted"};
    Client client(*server);
    int64_t expected = 0;
    while (const auto number = client.Receive()) REQUIRE(number == expected++);
    const grpc::Status status = client.End();
    REQUIRE(status.error_code() == grpc::StatusCode::OUT_OF_RANGE);
    REQUIRE(status.error_message() == "compacted");
  }
  REQUIRE(queued == 500);
  REQUIRE(closed);
}

TEST_CASE("rpc bidi: many threads may send at once") {
  constexpr int kThreads = 8;
  constexpr int kMessages = 100;  // together below the queue's limit
  std::vector<std::thread> senders;
  Streams streams;
  std::atomic<int> queued{0};
  const auto server = StartServer([&](const CallContext&, WatchStream stream) {
    streams.Put(stream);
    for (int t = 0; t < kThreads; ++t) {
      senders.emplace_back([&queued, stream, t]() mutable {
        for (int i = 0; i < kMessages; ++i) {
          if (stream.Send(Answer(t * kMessages + i)) == SendResult::kQueued) ++queued;
        }
      });
    }
  });
  Client client(*server);
  std::vector<int64_t> got;
  for (int i = 0; i < kThreads * kMessages; ++i) got.push_back(client.Receive().value_or(-1));
  for (auto& sender : senders) sender.join();
  REQUIRE(queued == kThreads * kMessages);
  std::vector<int64_t> last(kThreads, -1);
  for (const int64_t number : got) {  // each thread's own in order
    REQUIRE(number > last[number / kMessages]);
    last[number / kMessages] = number;
  }
  streams.Clear();
}

TEST_CASE("rpc bidi: a client that does not read fills the queue and no more") {
  Streams streams;
  const auto server =
      StartServer([&](const CallContext&, WatchStream stream) { streams.Put(stream); });
  Client client(*server);
  REQUIRE(Eventually([&] { return streams.First().has_value(); }));
  WatchStream stream = *streams.First();
  size_t sent = 0;
  size_t message_bytes = 0;
  SECTION("in messages") { message_bytes = 1'000; }
  SECTION("in bytes") { message_bytes = 1'000'000; }
  const auto send_one = [&] {
    const SendResult result = stream.Send(Answer(static_cast<int64_t>(sent), message_bytes));
    if (result == SendResult::kQueued) ++sent;
    return result;
  };
  // The client's flow control takes some first, so full is full only after a while.
  const bool full = Eventually([&] {
    while (send_one() == SendResult::kQueued) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return send_one() == SendResult::kFull;
  });
  REQUIRE(full);
  if (message_bytes == 1'000) REQUIRE(sent >= kMaxQueuedMessages);
  // Besides the queue, what the client's flow control and the sockets take.
  constexpr size_t kOnTheWay = 8 << 20;
  REQUIRE(sent < kMaxQueuedMessages + kOnTheWay / message_bytes);
  REQUIRE(sent * message_bytes < kMaxQueuedBytes + kOnTheWay);
  // Giving it up drops the queue; the client reads what was on its way, and then why.
  stream.Finish({base::Code::kResourceExhausted, "too slow"});
  int64_t expected = 0;
  while (const auto number = client.Receive()) REQUIRE(number == expected++);
  REQUIRE(client.End().error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED);
  REQUIRE(static_cast<size_t>(expected) < sent);
  streams.Clear();
}

// A channel whose client takes no more than HTTP/2's first window before it reads.
std::shared_ptr<grpc::Channel> ChannelWithSmallWindow(const Server& server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65'536);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server.port()),
                                   grpc::InsecureChannelCredentials(), arguments);
}

TEST_CASE("rpc bidi: all slow readers together are bounded, too") {
  ServerOptions options;
  options.max_queued_bytes = 3'000'000;
  Streams streams;
  const auto server =
      StartServer([&](const CallContext&, WatchStream stream) { streams.Put(stream); }, options);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(ChannelWithSmallWindow(*server)));
  }
  REQUIRE(Eventually([&] {
    std::lock_guard lock(streams.mutex);
    return streams.all.size() == clients.size();
  }));
  size_t queued = 0;
  const bool full = Eventually([&] {
    std::lock_guard lock(streams.mutex);
    const size_t before = queued;
    for (WatchStream& stream : streams.all) {
      while (stream.Send(Answer(1, 100'000)) == SendResult::kQueued) queued += 100'000;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return before == queued;
  });
  REQUIRE(full);
  // Besides the budget, one message for each stream, and what fits into its client's window.
  REQUIRE(queued < 3'000'000 + 8 * 300'000);
  clients.clear();
  REQUIRE(Eventually([&] { return server->Stats().open_streams == 0; }));
  streams.Clear();
  // What they held is free again.
  Client client(*server);
  REQUIRE(Eventually([&] { return streams.First().has_value(); }));
  REQUIRE(streams.First()->Send(Answer(1, 2'500'000)) == SendResult::kQueued);
  REQUIRE(client.Receive() == 1);
  streams.Clear();
}

TEST_CASE("rpc bidi: readers that stand still do not starve those that read") {
  ServerOptions options;
  options.max_queued_bytes = 1'000'000;
  Streams streams;
  const auto server =
      StartServer([&](const CallContext&, WatchStream stream) { streams.Put(stream); }, options);
  Client standing(ChannelWithSmallWindow(*server));
  REQUIRE(Eventually([&] { return streams.First().has_value(); }));
  REQUIRE(
      Eventually([&] { return streams.First()->Send(Answer(1, 100'000)) == SendResult::kFull; }));
  Client reading(*server);
  REQUIRE(Eventually([&] {
    std::lock_guard lock(streams.mutex);
    return streams.all.size() == 2;
  }));
  constexpr int64_t kMessages = 300;  // of a tenth of the budget each
  std::thread sender([&] {
    WatchStream stream = [&] {
      std::lock_guard lock(streams.mutex);
      return streams.all[1];
    }();
    std::atomic<int64_t> next{0};
    std::atomic<int> told{0};
    while (next < kMessages) {
      if (stream.Send(Answer(next, 100'000)) == SendResult::kQueued) {
        ++next;
        continue;
      }
      const int before = told;
      stream.OnWritable([&told] { ++told; });
      Eventually([&] { return told > before; });
    }
  });
  int64_t received = 0;
  while (received < kMessages && reading.Receive() == received) ++received;
  sender.join();
  REQUIRE(received == kMessages);
  streams.Clear();
}

// Sends numbers up to `total`, waiting whenever the queue is full.
class Counter : public std::enable_shared_from_this<Counter> {
 public:
  Counter(WatchStream stream, int64_t total) : stream_(std::move(stream)), total_(total) {}
  void Go() {
    while (next_ < total_) {
      const SendResult result = stream_.Send(Answer(next_, 100));
      if (result == SendResult::kClosed) return;
      if (result == SendResult::kFull) {
        ++waits;
        stream_.OnWritable([self = shared_from_this()] { self->Go(); });
        return;
      }
      ++next_;
    }
    stream_.Finish();
  }
  std::atomic<int> waits{0};

 private:
  WatchStream stream_;
  const int64_t total_;
  int64_t next_ = 0;
};

TEST_CASE("rpc bidi: who waits for the queue loses nothing") {
  std::mutex mutex;
  std::shared_ptr<Counter> counter;
  const auto server = StartServer([&](const CallContext&, WatchStream stream) {
    auto made = std::make_shared<Counter>(stream, 30'000);
    {
      std::lock_guard lock(mutex);
      counter = made;
    }
    made->Go();
  });
  Client client(*server);
  for (int64_t i = 0; i < 30'000; ++i) {
    if (client.Receive() != i) FAIL("out of order at " << i);
  }
  REQUIRE(client.End().ok());
  std::lock_guard lock(mutex);
  REQUIRE(counter->waits > 0);
  counter.reset();
}

TEST_CASE("rpc bidi: waiting for a queue that has room ends at once") {
  std::atomic<int> writable{0};
  const auto server = StartServer([&](const CallContext&, WatchStream stream) {
    WatchStream waiter = stream;
    waiter.OnWritable([&writable, stream]() mutable {
      ++writable;
      stream.Finish();
    });
  });
  REQUIRE(Client(*server).End().ok());
  REQUIRE(writable == 1);
}

TEST_CASE("rpc bidi: a client that goes away closes the stream") {
  Streams streams;
  std::atomic<int> closed{0};
  std::atomic<int> read{0};
  const auto server = StartServer([&](const CallContext&, WatchStream stream) {
    stream.OnClosed([&closed] { ++closed; });
    stream.Read([&read](WatchRequest* request) { read += request == nullptr ? 1 : 100; });
    streams.Put(stream);
  });
  {
    Client client(*server);
    REQUIRE(Eventually([&] { return streams.First().has_value(); }));
  }
  REQUIRE(Eventually([&] { return closed == 1; }));
  REQUIRE(streams.First()->Send(Answer(1)) == SendResult::kClosed);
  REQUIRE(read <= 1);  // at most the news that nothing more comes
  streams.First()->Read([&read](WatchRequest*) { read += 100; });
  streams.First()->OnWritable([&read] { read += 100; });
  streams.First()->Finish();
  REQUIRE(read <= 1);
  REQUIRE(Eventually([&] { return server->Stats().open_streams == 0; }));
  streams.Clear();
}

TEST_CASE("rpc bidi: a dropped stream ends with INTERNAL") {
  const auto server = StartServer([](const CallContext&, WatchStream) {});
  REQUIRE(Client(*server).End().error_code() == grpc::StatusCode::INTERNAL);
}

TEST_CASE("rpc bidi: a message that does not parse ends the stream") {
  const auto server = StartServer(Parrot);
  grpc::CompletionQueue queue;
  TestContext context;
  grpc::GenericStub stub(ChannelTo(*server));
  auto call = stub.PrepareCall(&context, "/etcdserverpb.Watch/Watch", &queue);
  const auto wait = [&] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  call->StartCall(nullptr);
  REQUIRE(wait());
  const grpc::Slice slice("\xff\xff\xff");
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  wait();
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  REQUIRE(status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
  queue.Shutdown();
  while (wait()) {
  }
}

TEST_CASE("rpc bidi: stopping the server ends conversations with UNAVAILABLE") {
  Streams streams;
  const auto server =
      StartServer([&](const CallContext&, WatchStream stream) { streams.Put(stream); });
  Client client(*server);
  REQUIRE(Eventually([&] { return streams.First().has_value(); }));
  REQUIRE(streams.First()->Send(Answer(7)) == SendResult::kQueued);
  std::thread stopper([&] { server->Stop(10'000); });
  REQUIRE(client.Receive() == 7);
  const grpc::Status status = client.End();
  stopper.join();
  REQUIRE(status.error_code() == grpc::StatusCode::UNAVAILABLE);
  REQUIRE(status.error_message() == "the server is stopping");
  REQUIRE(streams.First()->Send(Answer(8)) == SendResult::kClosed);
  streams.Clear();
}

}  // namespace
}  // namespace matricula::rpc
