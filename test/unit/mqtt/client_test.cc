#include "common/mqtt/client.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>

#include "common/base/mutex.h"
#include "test/unit/mqtt/broker_process.h"

namespace matricula::mqtt {
namespace {

// Keeps what it is told, and lets the test wait for it.
class Recorder final : public Listener {
 public:
  void OnConnected() override {
    Change([this] { ++connects; });
  }
  void OnDisconnected(const base::Status&) override {
    Change([this] { ++disconnects; });
  }
  void OnMessage(Message message) override {
    Change([&] { messages.push_back(std::move(message)); });
  }
  void OnPublished(uint64_t ticket) override {
    Change([&] { published.push_back(ticket); });
  }

  bool WaitUntil(const std::function<bool()>& condition) {
    base::MutexLock lock(mutex_);
    for (int i = 0; i < 1000 && !condition(); ++i) {
      changed_.WaitFor(mutex_, std::chrono::milliseconds(10));
    }
    return condition();
  }

  // Read inside WaitUntil's condition or after the client is gone.
  int connects = 0;
  int disconnects = 0;
  std::vector<Message> messages;
  std::vector<uint64_t> published;

 private:
  void Change(const std::function<void()>& change) {
    const base::MutexLock lock(mutex_);
    change();
    changed_.NotifyAll();
  }
  base::Mutex mutex_;
  base::CondVar changed_;
};

ClientOptions Options(int port, const std::string& id, std::vector<std::string> subscriptions) {
  ClientOptions options;
  options.broker.host = "127.0.0.1";
  options.broker.port = port;
  options.client_id = id;
  options.subscriptions = std::move(subscriptions);
  options.min_backoff_ms = 20;
  options.max_backoff_ms = 100;
  return options;
}

Message Text(const std::string& topic, const std::string& payload) {
  Message message;
  message.topic = topic;
  message.payload = payload;
  message.user_properties = {{"rev", "7"}, {"prev", "6"}};
  return message;
}

}  // namespace

TEST_CASE("a thousand messages arrive in order with their properties") {
  BrokerProcess broker;
  broker.Start();
  Recorder sent, received;
  {
    Client sender(Options(broker.port(), "sender", {}), base::SystemClock(), sent);
    Client receiver(Options(broker.port(), "receiver", {"portal/#"}), base::SystemClock(),
                    received);
    sender.Start();
    receiver.Start();
    REQUIRE(received.WaitUntil([&] { return received.connects == 1; }));
    REQUIRE(sent.WaitUntil([&] { return sent.connects == 1; }));
    for (int i = 0; i < 1000; ++i) {
      REQUIRE(sender.Publish(Text("portal/x", std::to_string(i))).ok());
    }
    REQUIRE(received.WaitUntil([&] { return received.messages.size() == 1000; }));
    REQUIRE(sent.WaitUntil([&] { return sent.published.size() == 1000; }));
  }
  for (int i = 0; i < 1000; ++i) {
    CHECK(received.messages[i].payload == std::to_string(i));
    CHECK(sent.published[i] == static_cast<uint64_t>(i + 1));
  }
  CHECK(received.messages[0].topic == "portal/x");
  CHECK(received.messages[0].user_properties == UserProperties{{"rev", "7"}, {"prev", "6"}});
}

TEST_CASE("without a broker nothing is queued and nobody waits") {
  BrokerProcess broker;  // not started
  Recorder recorder;
  Client client(Options(broker.port(), "alone", {}), base::SystemClock(), recorder);
  client.Start();
  const auto result = client.Publish(Text("portal/x", "1"));
  CHECK(result.status().code() == base::Code::kUnavailable);
}

TEST_CASE("the connection comes back after the broker was killed") {
  BrokerProcess broker;
  broker.Start();
  Recorder sent, received;
  Client sender(Options(broker.port(), "sender", {}), base::SystemClock(), sent);
  Client receiver(Options(broker.port(), "receiver", {"portal/#"}), base::SystemClock(), received);
  sender.Start();
  receiver.Start();
  for (int round = 1; round <= 3; ++round) {
    const bool connected = sent.WaitUntil([&] { return sent.connects == round; }) &&
                           received.WaitUntil([&] { return received.connects == round; });
    REQUIRE(connected);
    REQUIRE(sender.Publish(Text("portal/x", std::to_string(round))).ok());
    REQUIRE(
        received.WaitUntil([&] { return received.messages.size() == static_cast<size_t>(round); }));
    broker.Kill();
    REQUIRE(sent.WaitUntil([&] { return sent.disconnects == round; }));
    CHECK_FALSE(sender.Publish(Text("portal/x", "lost")).ok());
    broker.Start();
  }
}

TEST_CASE("more than the window is refused, not queued") {
  BrokerProcess broker;
  broker.Start();
  Recorder recorder;
  Client client(Options(broker.port(), "flood", {}), base::SystemClock(), recorder);
  client.Start();
  REQUIRE(recorder.WaitUntil([&] { return recorder.connects == 1; }));
  size_t taken = 0;
  bool refused = false;
  for (int i = 0; i < 100'000 && !refused; ++i) {
    const auto result = client.Publish(Text("portal/x", std::string(1000, 'x')));
    refused = result.status().code() == base::Code::kResourceExhausted;
    taken += result.ok() ? 1 : 0;
  }
  CHECK(refused);
  CHECK(taken >= kMaxUnacknowledged);
  CHECK(recorder.WaitUntil([&] { return recorder.published.size() == taken; }));
}

TEST_CASE("one member of a shared subscription gets each message") {
  BrokerProcess broker;
  broker.Start();
  Recorder sent, first, second;
  const std::string filter = "$share/matricula/portal/#";
  Client sender(Options(broker.port(), "sender", {}), base::SystemClock(), sent);
  Client one(Options(broker.port(), "one", {filter}), base::SystemClock(), first);
  Client two(Options(broker.port(), "two", {filter}), base::SystemClock(), second);
  sender.Start();
  one.Start();
  two.Start();
  REQUIRE(first.WaitUntil([&] { return first.connects == 1; }));
  REQUIRE(second.WaitUntil([&] { return second.connects == 1; }));
  REQUIRE(sent.WaitUntil([&] { return sent.connects == 1; }));
  for (int i = 0; i < 100; ++i) REQUIRE(sender.Publish(Text("portal/x", "m")).ok());
  size_t of_first = 0;
  CHECK(second.WaitUntil([&] {
    first.WaitUntil([&] {
      of_first = first.messages.size();
      return true;
    });
    return second.messages.size() + of_first == 100;
  }));
  CHECK(of_first > 0);
  CHECK(of_first < 100);
}

}  // namespace matricula::mqtt
