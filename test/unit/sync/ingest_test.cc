#include "common/sync/ingest.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "common/storage/memory_engine.h"
#include "common/store/replica_store.h"
#include "common/sync/await.h"
#include "common/sync/relay_keys.h"
#include "test/unit/mqtt/broker_process.h"

namespace matricula::sync {
namespace {

struct Silent final : mqtt::Listener {
  void OnConnected() override {}
  void OnDisconnected(const base::Status&) override {}
  void OnMessage(mqtt::Message) override {}
  void OnPublished(uint64_t) override {}
};

bool WaitUntil(const std::function<bool()>& condition) {
  for (int i = 0; i < 1'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

// A broker, a server's ingest over a store in memory, and a stranger.
class Bed {
 public:
  explicit Bed(Ingest::Options options = {}) {
    broker_.Start();
    auto opened = store::ReplicaStore::Open(storage::NewMemoryEngine(), {});
    REQUIRE(opened.ok());
    store = *std::move(opened);
    domain =
        std::make_unique<domain::Domain>(*store, base::SystemClock(), domain::Domain::Options());
    options.mqtt = ClientOptions("server");
    ingest = std::make_unique<Ingest>(*store, *domain, base::SystemClock(), std::move(options));
    ingest->Start();
    stranger_ =
        std::make_unique<mqtt::Client>(ClientOptions("stranger"), base::SystemClock(), listener_);
    stranger_->Start();
    REQUIRE(
        WaitUntil([&] { return ingest->Stats().bus.connected && stranger_->Stats().connected; }));
  }

  void Say(const std::string& topic, const std::string& payload,
           mqtt::UserProperties properties = {}) {
    mqtt::Message message;
    message.topic = topic;
    message.payload = payload;
    message.user_properties = std::move(properties);
    REQUIRE(WaitUntil([&] { return stranger_->Publish(message).ok(); }));
    ++said_;
  }

  // When all that was said has come to an end.
  IngestStats Settled() {
    IngestStats stats;
    WaitUntil([&] {
      stats = ingest->Stats();
      return stats.applied + stats.unchanged + stats.refused + stats.unknown_topic +
                 stats.malformed + stats.other_cluster + stats.over_limit + stats.failed ==
             said_;
    });
    return stats;
  }

  int64_t Revision() {
    etcdserverpb::RangeRequest request;
    request.set_key("x");
    return Await<etcdserverpb::RangeResponse>(
               [&](auto done) { store->Range(request, std::move(done)); })
        ->header()
        .revision();
  }

  std::unique_ptr<store::ReplicaStore> store;
  std::unique_ptr<domain::Domain> domain;
  std::unique_ptr<Ingest> ingest;

 private:
  mqtt::ClientOptions ClientOptions(const std::string& name) const {
    mqtt::ClientOptions options;
    options.broker.host = "127.0.0.1";
    options.broker.port = broker_.port();
    options.client_id = name;
    options.min_backoff_ms = 20;
    return options;
  }

  mqtt::BrokerProcess broker_;
  Silent listener_;
  std::unique_ptr<mqtt::Client> stranger_;
  uint64_t said_ = 0;
};

}  // namespace

// The list of mosquitto_pub lines of the system that came before, in its order.
TEST_CASE("each of the old system's messages has its one outcome") {
  struct Line {
    std::string topic, payload;
    uint64_t IngestStats::*counter;
    std::string reason;
  };
  const auto applied = &IngestStats::applied;
  const auto refused = &IngestStats::refused;
  const auto unknown = &IngestStats::unknown_topic;
  const std::vector<Line> lines = {
      {"portal/aluno", "teste connect", unknown, "no topic of ours"},
      {"portal/admin/aluno/create", "11921BSI209,maycon", applied, ""},
      {"portal/admin/aluno/update", "11921BSI209,maycon edit", applied, ""},
      {"portal/admin/aluno/update", "11921BSI201,errornot found edit", refused,
       "aluno não encontrado"},
      {"portal/admin/aluno/delete", "11921BSI201", refused, "aluno não encontrado"},
      {"portal/admin//delete", "11921BSI209", unknown, "no topic of ours"},
      {"portal/admin/professor/create", "1524,pedro", applied, ""},
      {"portal/admin/professor/create", "1525,Miane", applied, ""},
      {"portal/admin/professor/update", "1525,Miane edit", applied, ""},
      {"portal/admin/professor/delete", "1525", applied, ""},
      {"portal/admin/disciplina/create", "BSI034,prolog,30", applied, ""},
      {"portal/admin/disciplina/update", "BSI035,prolog,30", refused, "disciplina não encontrada"},
      {"portal/admin/disciplina/update", "BSI034,prolog edit,29", applied, ""},
      {"portal/admin/disciplina/delete", "BSI035", refused, "disciplina não encontrada"},
      {"portal/admin/disciplina/delete", "BSI034", applied, ""}};
  Bed bed;
  IngestStats before;
  for (const Line& line : lines) {
    INFO(line.topic << " " << line.payload);
    const int64_t revision = bed.Revision();
    bed.Say(line.topic, line.payload);
    const IngestStats after = bed.Settled();
    CHECK(after.*line.counter == before.*line.counter + 1);
    CHECK((bed.Revision() > revision) == (line.counter == applied));
    if (!line.reason.empty()) CHECK(after.reasons.at(line.reason) > 0);
    before = after;
  }
  CHECK(before.applied == 9);
  CHECK(before.refused == 4);
  CHECK(before.unknown_topic == 2);
}

TEST_CASE("an update to what is there already is no change") {
  Bed bed;
  bed.Say("portal/admin/aluno/create", R"({"matricula":"11921BSI209","nome":"maycon"})");
  bed.Say("portal/admin/disciplina/create", "BSI034,prolog,30");
  CHECK(bed.Settled().applied == 2);
  const int64_t revision = bed.Revision();
  bed.Say("portal/admin/aluno/update", R"({"matricula":"11921BSI209","nome":"maycon"})");
  bed.Say("portal/admin/disciplina/update", "BSI034,prolog,30");
  CHECK(bed.Settled().unchanged == 2);
  CHECK(bed.Revision() == revision);
}

TEST_CASE("the relay of another matriculad is not believed, nor is our own taken for a stranger") {
  Bed bed;
  bed.Say("portal/admin/aluno/create", "11921BSI209,maycon",
          {{std::string(kClusterProperty), "1234"}, {std::string(kRevProperty), "7"}});
  CHECK(bed.Settled().other_cluster == 1);
  const std::string ours = fmt::format("{:x}", bed.store->cluster_id());
  bed.Say("portal/admin/aluno/create", "11921BSI209,maycon",
          {{std::string(kClusterProperty), ours}, {std::string(kRevProperty), "7"}});
  bed.Say("portal/admin/aluno/create", "11921BSI210,outro");
  REQUIRE(WaitUntil([&] { return bed.ingest->Stats().applied == 1; }));
  const IngestStats stats = bed.ingest->Stats();
  CHECK(stats.bus.received == 3);
  CHECK(stats.other_cluster == 1);
  CHECK(stats.refused + stats.malformed + stats.over_limit == 0);
}

TEST_CASE("faster than the limit is dropped and counted, and the malformed do not use it up") {
  Ingest::Options options;
  options.messages_per_second = 1;
  options.burst = 20;
  Bed bed(std::move(options));
  for (int i = 0; i < 200; ++i) bed.Say("portal/admin/aluno/create", "{broken");
  for (int i = 0; i < 100; ++i) {
    bed.Say("portal/admin/aluno/create", fmt::format("aluno{:03},nome", i));
  }
  bed.Say("portal/admin/aluno/create", std::string(Ingest::kMaxPayloadBytes + 1, 'x'));
  const IngestStats stats = bed.Settled();
  CHECK(stats.malformed == 201);
  CHECK(stats.applied >= 20);
  CHECK(stats.applied <= 30);
  CHECK(stats.applied + stats.over_limit == 100);
}

TEST_CASE("what waits at a clean stop is still decided") {
  Bed bed;
  for (int i = 0; i < 200; ++i) {
    bed.Say("portal/admin/aluno/create", fmt::format("aluno{:03},nome", i));
  }
  REQUIRE(WaitUntil([&] { return bed.ingest->Stats().bus.received == 200; }));
  bed.ingest.reset();
  etcdserverpb::RangeRequest request;
  request.set_key("aluno/");
  request.set_range_end("aluno0");
  request.set_count_only(true);
  const auto all = Await<etcdserverpb::RangeResponse>(
      [&](auto done) { bed.store->Range(request, std::move(done)); });
  REQUIRE(all.ok());
  CHECK(all->count() == 200);
}

}  // namespace matricula::sync
