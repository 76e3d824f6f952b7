#include "common/mqtt/client.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <thread>

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

TEST_CASE("a message that is too long costs no memory and no connection") {
  BrokerProcess broker;
  broker.Start();
  Recorder sent, received;
  Client receiver(Options(broker.port(), "receiver", {"portal/#"}), base::SystemClock(), received);
  Client sender(Options(broker.port(), "sender", {}), base::SystemClock(), sent);
  receiver.Start();
  sender.Start();
  REQUIRE(received.WaitUntil([&] { return received.connects == 1; }));
  REQUIRE(sent.WaitUntil([&] { return sent.connects == 1; }));
  CHECK(sender.Publish(Text("portal/x", std::string(kMaxPayloadBytes + 1, 'x'))).status().code() ==
        base::Code::kInvalidArgument);
  // Others know no such limit: one that we drop, and one that the broker does not even send us.
  for (const size_t bytes : {kMaxPayloadBytes + 1, kMaxPacketBytes + 1}) {
    const std::string file = broker.folder() + "/payload";
    std::ofstream(file) << std::string(bytes, 'x');
    const std::string command =
        "mosquitto_pub -p " + std::to_string(broker.port()) + " -q 1 -t portal/x -f " + file;
    REQUIRE(std::system(command.c_str()) == 0);
  }
  REQUIRE(sender.Publish(Text("portal/x", std::string(kMaxPayloadBytes, 'x'))).ok());
  REQUIRE(received.WaitUntil([&] { return received.messages.size() == 1; }));
  const ClientStats stats = receiver.Stats();
  CHECK(stats.received == 2);
  CHECK(stats.too_long == 1);
  CHECK(stats.connects == 1);
}

TEST_CASE("two clients of one name come to rest") {
  BrokerProcess broker;
  broker.Start();
  Recorder first, second;
  Client one(Options(broker.port(), "same", {"portal/#"}), base::SystemClock(), first);
  one.Start();
  REQUIRE(first.WaitUntil([&] { return first.connects == 1; }));
  Client two(Options(broker.port(), "same", {"portal/#"}), base::SystemClock(), second);
  two.Start();
  uint64_t connects = 0;
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const uint64_t now = one.Stats().connects + two.Stats().connects;
    if (now == connects && one.Stats().connected && two.Stats().connected) break;
    connects = now;
  }
  CHECK(connects > 2);  // they did disturb each other
  CHECK(connects < 12);
  REQUIRE(two.Publish(Text("portal/x", "to the first")).ok());
  CHECK(first.WaitUntil([&] { return first.messages.size() == 1; }));
}

TEST_CASE("a process that is started again finds what came while it was away") {
  BrokerProcess broker;
  broker.Start();
  Recorder sent;
  Client sender(Options(broker.port(), "sender", {}), base::SystemClock(), sent);
  sender.Start();
  REQUIRE(sent.WaitUntil([&] { return sent.connects == 1; }));
  const auto connect_from_another_process = [&](int wait_ms) {
    // It is killed, so that it cannot say goodbye.
    const std::string command = "timeout -s KILL " + std::to_string(wait_ms / 1000.0) +
                                " mosquitto_sub -p " + std::to_string(broker.port()) +
                                " -V mqttv5 -c -x 60 -i back -q 1 -t 'portal/#' >/dev/null 2>&1";
    [[maybe_unused]] const int killed = std::system(command.c_str());
  };
  connect_from_another_process(500);
  REQUIRE(sender.Publish(Text("portal/x", "meanwhile")).ok());
  REQUIRE(sent.WaitUntil([&] { return sent.published.size() == 1; }));
  Recorder received;
  ClientOptions options = Options(broker.port(), "back", {"portal/#"});
  options.resume_at_start = true;
  Client receiver(options, base::SystemClock(), received);
  receiver.Start();
  CHECK(received.WaitUntil([&] { return received.messages.size() == 1; }));
}

TEST_CASE("who ends politely leaves no session: the others of its group get everything") {
  BrokerProcess broker;
  broker.Start();
  Recorder sent, first, second;
  const std::string filter = "$share/matricula/portal/#";
  Client sender(Options(broker.port(), "sender", {}), base::SystemClock(), sent);
  Client one(Options(broker.port(), "one", {filter}), base::SystemClock(), first);
  auto two = std::make_unique<Client>(Options(broker.port(), "two", {filter}), base::SystemClock(),
                                      second);
  sender.Start();
  one.Start();
  two->Start();
  REQUIRE(first.WaitUntil([&] { return first.connects == 1; }));
  REQUIRE(second.WaitUntil([&] { return second.connects == 1; }));
  REQUIRE(sent.WaitUntil([&] { return sent.connects == 1; }));
  two.reset();
  // What the broker sent before it heard of that is lost; from then on nothing is.
  bool all = false;
  for (int batch = 0; batch < 5 && !all; ++batch) {
    const std::string name = "m" + std::to_string(batch);
    for (int i = 0; i < 20; ++i) REQUIRE(sender.Publish(Text("portal/x", name)).ok());
    all = first.WaitUntil([&] {
      return std::count_if(first.messages.begin(), first.messages.end(),
                           [&](const Message& message) { return message.payload == name; }) == 20;
    });
  }
  CHECK(all);
}

}  // namespace matricula::mqtt
