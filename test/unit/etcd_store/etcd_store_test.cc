#include "common/store/etcd_store.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <thread>

#include "test/etcd_support/stock_etcd.h"
#include "test/etcd_support/tcp_proxy.h"
#include "test/unit/etcd_store/waiting.h"

namespace matricula::store {
namespace {

using base::Code;

constexpr int64_t kShortTimeoutMs = 1'000;

int64_t MillisecondsSince(int64_t start_ms) { return base::SystemClock().MonotonicMs() - start_ms; }

TEST_CASE("addresses are checked before anything is tried") {
  const auto create = [](std::vector<std::string> endpoints) {
    EtcdStoreOptions options;
    options.endpoints = std::move(endpoints);
    return EtcdStore::Create(options, base::SystemClock()).status();
  };
  CHECK(create({}).code() == Code::kInvalidArgument);
  CHECK(create({"http://127.0.0.1:2379"}).code() == Code::kInvalidArgument);
  CHECK(create({"127.0.0.1"}).code() == Code::kInvalidArgument);
  CHECK(create({"127.0.0.1:"}).code() == Code::kInvalidArgument);
  CHECK(create({"127.0.0.1:1", "host:2379", "[::1]:2379"}).ok());
}

// Sections without faults share one server.
test::EtcdCluster& SharedEtcd() {
  static test::EtcdCluster etcd(1);
  return etcd;
}

TEST_CASE("an etcd store reads, writes, leases and refuses as etcd does") {
  test::EtcdCluster& etcd = SharedEtcd();
  const auto store = OpenStore(etcd.addresses());

  SECTION("a written value is read back") {
    const auto written = Put(*store, "a", "1");
    REQUIRE(written.ok());
    CHECK(written->succeeded());
    const auto read = Get(*store, "a");
    REQUIRE(read.ok());
    REQUIRE(read->kvs_size() == 1);
    CHECK(read->kvs(0).value() == "1");
    CHECK(read->kvs(0).mod_revision() == written->header().revision());
  }
  SECTION("refusals keep etcd's code and text") {
    const auto read = Get(*store, "");
    CHECK(read.status() == base::Status(Code::kInvalidArgument, "etcdserver: key is not provided"));
    etcdserverpb::TxnRequest request = PutTxn("k", "v");
    request.mutable_success(0)->mutable_request_put()->set_lease(77);
    Answer<etcdserverpb::TxnResponse> answer;
    store->Txn(request, answer.done());
    CHECK(answer.Get().status() ==
          base::Status(Code::kNotFound, "etcdserver: requested lease not found"));
    Answer<etcdserverpb::TxnResponse> large;
    store->Txn(PutTxn("k", std::string(1'600'000, 'x')), large.done());
    CHECK(large.Get().status() ==
          base::Status(Code::kInvalidArgument, "etcdserver: request is too large"));
    Answer<etcdserverpb::TxnResponse> larger;
    store->Txn(PutTxn("k", std::string(3'000'000, 'x')), larger.done());
    CHECK(larger.Get().status().code() == Code::kResourceExhausted);
    CHECK(Get(*store, "k")->count() == 0);
  }
  SECTION("answers larger than gRPC's default limit arrive") {
    for (int i = 0; i < 5; ++i) {
      REQUIRE(Put(*store, "large/" + std::to_string(i), std::string(1'400'000, 'x')).ok());
    }
    const auto read = Get(*store, "large/", "large0");
    REQUIRE(read.ok());
    CHECK(read->kvs_size() == 5);
  }
  SECTION("a transaction without operations only compares") {
    REQUIRE(Put(*store, "a", "1").ok());
    etcdserverpb::TxnRequest request;
    auto* compare = request.add_compare();
    compare->set_key("a");
    compare->set_target(etcdserverpb::Compare::VALUE);
    compare->set_value("1");
    Answer<etcdserverpb::TxnResponse> answer;
    store->Txn(request, answer.done());
    const auto result = answer.Get();
    REQUIRE(result.ok());
    CHECK(result->succeeded());
    CHECK(result->responses_size() == 0);
  }
  SECTION("a lease is granted, kept alive, and known to be gone") {
    etcdserverpb::LeaseGrantRequest request;
    request.set_ttl(60);
    Answer<etcdserverpb::LeaseGrantResponse> granted;
    store->LeaseGrant(request, granted.done());
    const auto lease = granted.Get();
    REQUIRE(lease.ok());
    Answer<etcdserverpb::LeaseKeepAliveResponse> kept;
    store->LeaseKeepAlive(lease->id(), kept.done());
    const auto alive = kept.Get();
    REQUIRE(alive.ok());
    CHECK(alive->id() == lease->id());
    CHECK(alive->ttl() == 60);
    Answer<etcdserverpb::LeaseKeepAliveResponse> unknown;
    store->LeaseKeepAlive(lease->id() + 1, unknown.done());
    const auto gone = unknown.Get();
    REQUIRE(gone.ok());
    CHECK(gone->ttl() == 0);
  }
  SECTION("many calls at once are all answered") {
    std::vector<Answer<etcdserverpb::TxnResponse>> writes(500);
    for (size_t i = 0; i < writes.size(); ++i) {
      store->Txn(PutTxn("many/" + std::to_string(i), "x"), writes[i].done());
    }
    for (auto& write : writes) {
      CHECK(write.Get().ok());
    }
    CHECK(Get(*store, "many/", "many0")->count() == 500);
  }
}

TEST_CASE("without any server nothing was changed, and the store says so in time") {
  const auto store = OpenStore({"127.0.0.1:" + std::to_string(test::FreePort()),
                                "127.0.0.1:" + std::to_string(test::FreePort())},
                               kShortTimeoutMs);
  const int64_t start_ms = base::SystemClock().MonotonicMs();
  Answer<etcdserverpb::TxnResponse> write;
  store->Txn(PutTxn("a", "1"), write.done());
  CHECK(Get(*store, "a").status().code() == Code::kUnavailable);
  CHECK(write.Get().status().code() == Code::kUnavailable);
  CHECK(MillisecondsSince(start_ms) >= kShortTimeoutMs - 100);
  CHECK(MillisecondsSince(start_ms) < kShortTimeoutMs + 1'000);
}

TEST_CASE("more calls than the limit are refused at once, and the rest is served") {
  test::EtcdCluster etcd(1);
  test::TcpProxy proxy(etcd[0].port());
  constexpr size_t kLimit = 10;
  const auto store = OpenStore({proxy.address()}, 7'000, kLimit);
  REQUIRE(Put(*store, "a", "1").ok());
  proxy.HoldAnswers(true);
  std::vector<Answer<etcdserverpb::RangeResponse>> reads(kLimit);
  etcdserverpb::RangeRequest request;
  request.set_key("a");
  for (auto& read : reads) {
    store->Range(request, read.done());
  }
  Answer<etcdserverpb::RangeResponse> refused;
  store->Range(request, refused.done());
  CHECK(refused.ready());
  CHECK(refused.Get().status().code() == Code::kResourceExhausted);
  RecordingSink sink;
  const auto watch = store->OpenWatch(WatchOf("a", "", 0), &sink);
  CHECK(sink.end().code() == Code::kResourceExhausted);
  proxy.HoldAnswers(false);
  for (auto& read : reads) {
    CHECK(read.Get().ok());
  }
  CHECK(Get(*store, "a").ok());
}

TEST_CASE("a write whose answer is lost is unknown, never repeated, and found by reading back") {
  test::EtcdCluster etcd(1);
  test::TcpProxy proxy(etcd[0].port());
  const auto store = OpenStore({proxy.address()});
  const auto direct = OpenStore(etcd.addresses());
  REQUIRE(Put(*store, "warm", "up").ok());

  SECTION("it took effect") {
    proxy.HoldAnswers(true);
    Answer<etcdserverpb::TxnResponse> write;
    store->Txn(PutTxn("k", "mine"), write.done());
    while (Get(*direct, "k")->count() == 0) {
    }
    CHECK_FALSE(write.ready());
    proxy.HoldAnswers(false);
    proxy.Cut();
    const auto status = write.Get().status();
    // The answer may have slipped through between the two commands.
    CHECK((status.ok() || status.code() == Code::kOutcomeUnknown));
    const auto read = Get(*store, "k");
    REQUIRE(read.ok());
    REQUIRE(read->kvs_size() == 1);
    CHECK(read->kvs(0).value() == "mine");
    CHECK(read->kvs(0).version() == 1);
  }
  SECTION("its answer is reset away") {
    proxy.HoldAnswers(true);
    Answer<etcdserverpb::TxnResponse> write;
    store->Txn(PutTxn("k", "mine"), write.done());
    while (Get(*direct, "k")->count() == 0) {
    }
    proxy.Cut();
    proxy.HoldAnswers(false);
    CHECK(write.Get().status().code() == Code::kOutcomeUnknown);
    CHECK(Get(*store, "k")->kvs(0).version() == 1);
  }
  SECTION("it never arrived") {
    proxy.HoldRequests(true);
    Answer<etcdserverpb::TxnResponse> write;
    store->Txn(PutTxn("k", "mine"), write.done());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    proxy.Cut();
    proxy.HoldRequests(false);
    CHECK(write.Get().status().code() == Code::kOutcomeUnknown);
    CHECK(Get(*store, "k")->count() == 0);
  }
  SECTION("a grant of a lease, too") {
    proxy.HoldAnswers(true);
    etcdserverpb::LeaseGrantRequest request;
    request.set_ttl(60);
    Answer<etcdserverpb::LeaseGrantResponse> grant;
    store->LeaseGrant(request, grant.done());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    proxy.Cut();
    proxy.HoldAnswers(false);
    CHECK(grant.Get().status().code() == Code::kOutcomeUnknown);
  }
}

TEST_CASE("a read whose answer is lost is asked again") {
  test::EtcdCluster etcd(1);
  test::TcpProxy proxy(etcd[0].port());
  const auto store = OpenStore({proxy.address()});
  REQUIRE(Put(*store, "a", "1").ok());
  proxy.HoldAnswers(true);
  etcdserverpb::RangeRequest range;
  range.set_key("a");
  Answer<etcdserverpb::RangeResponse> read;
  store->Range(range, read.done());
  Answer<etcdserverpb::TxnResponse> read_only;
  etcdserverpb::TxnRequest transaction;
  *transaction.add_success()->mutable_request_range() = range;
  store->Txn(transaction, read_only.done());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  proxy.Cut();
  proxy.HoldAnswers(false);
  const auto result = read.Get();
  REQUIRE(result.ok());
  CHECK(result->kvs(0).value() == "1");
  CHECK(read_only.Get().ok());
}

TEST_CASE("a stopped server: reads are unavailable, writes unknown, both in time") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses(), kShortTimeoutMs);
  REQUIRE(Put(*store, "a", "1").ok());
  etcd[0].Pause();
  const int64_t start_ms = base::SystemClock().MonotonicMs();
  Answer<etcdserverpb::TxnResponse> write;
  store->Txn(PutTxn("a", "2"), write.done());
  const auto read = Get(*store, "a");
  CHECK(read.status().code() == Code::kUnavailable);
  CHECK(write.Get().status().code() == Code::kOutcomeUnknown);
  CHECK(MillisecondsSince(start_ms) < kShortTimeoutMs + 1'000);
  etcd[0].Continue();
  CHECK(Get(*store, "a").ok());
}

TEST_CASE("closing ends everything that is under way, at once") {
  test::EtcdCluster etcd(1);
  std::vector<std::string> endpoints = etcd.addresses();
  auto store = OpenStore(endpoints);
  REQUIRE(Put(*store, "a", "1").ok());
  bool connected = true;
  SECTION("with a silent server") { etcd[0].Pause(); }
  SECTION("with no server") {
    etcd[0].Kill();
    connected = false;
    CHECK(Get(*OpenStore(endpoints, 300), "a").status().code() == Code::kUnavailable);
  }
  std::vector<Answer<etcdserverpb::RangeResponse>> reads(100);
  std::vector<Answer<etcdserverpb::TxnResponse>> writes(100);
  std::vector<Answer<etcdserverpb::LeaseKeepAliveResponse>> renewals(10);
  std::vector<RecordingSink> sinks(10);
  std::vector<std::unique_ptr<Watch>> watches;
  etcdserverpb::RangeRequest range;
  range.set_key("a");
  for (auto& read : reads) {
    store->Range(range, read.done());
  }
  for (auto& write : writes) {
    store->Txn(PutTxn("b", "2"), write.done());
  }
  for (auto& renewal : renewals) {
    store->LeaseKeepAlive(1, renewal.done());
  }
  for (auto& sink : sinks) {
    watches.push_back(store->OpenWatch(WatchOf("a", "", 0), &sink));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const int64_t start_ms = base::SystemClock().MonotonicMs();
  store.reset();
  CHECK(MillisecondsSince(start_ms) < 1'000);
  for (auto& read : reads) {
    REQUIRE(read.ready());
    CHECK(read.Get().status().code() == Code::kUnavailable);
  }
  for (auto& write : writes) {
    REQUIRE(write.ready());
    const Code code = write.Get().status().code();
    CHECK(code == (connected ? Code::kOutcomeUnknown : Code::kUnavailable));
  }
  for (auto& renewal : renewals) {
    CHECK(renewal.ready());
  }
  for (auto& sink : sinks) {
    CHECK(sink.end().code() == Code::kCancelled);
  }
  for (auto& watch : watches) {  // a handle that outlives its store does nothing
    watch->Resume();
    watch->RequestProgress();
  }
}

// Writes keys, each once, and remembers what was said of each.
class Ledger {
 public:
  explicit Ledger(Store& store) : store_(store) {}

  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = "k/" + std::to_string(answers_.size());
      answers_.emplace_back(key, Answer<etcdserverpb::TxnResponse>());
      store_.Txn(PutTxn(key, "x"), answers_.back().second.done());
    }
  }
  // Writes that are sent together are answered in any order.
  void WaitForAll() {
    for (size_t i = 0; i < answers_.size(); ++i) {
      Settle(i);
    }
  }

  // Compares with what the store has: a repeated write would show as version 2.
  void Check(Store& store) {
    WaitForAll();
    const auto read = Get(store, "k/", "k0");
    REQUIRE(read.ok());
    std::map<std::string, int64_t> versions;
    for (const auto& kv : read->kvs()) {
      versions[kv.key()] = kv.version();
    }
    for (const auto& [key, code] : outcomes_) {
      INFO(key << " " << base::CodeName(code));
      if (code == Code::kOk) {
        CHECK(versions[key] == 1);
      } else if (code == Code::kOutcomeUnknown) {
        CHECK(versions[key] <= 1);
      } else {
        CHECK(code == Code::kUnavailable);
        CHECK(versions[key] == 0);
      }
    }
  }
  int Count(Code code) const {
    return static_cast<int>(std::count_if(outcomes_.begin(), outcomes_.end(),
                                          [&](const auto& pair) { return pair.second == code; }));
  }

 private:
  void Settle(size_t index) {
    auto& [key, answer] = answers_[index];
    if (outcomes_.count(key) == 0) {
      outcomes_[key] = answer.Get().status().code();
    }
  }

  Store& store_;
  std::vector<std::pair<std::string, Answer<etcdserverpb::TxnResponse>>> answers_;
  std::map<std::string, Code> outcomes_;
};

TEST_CASE("a server killed and restarted in mid-traffic: what was said of every write is true") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  Ledger ledger(*store);
  for (int round = 0; round < 2; ++round) {
    ledger.Write(100);
    ledger.WaitForAll();
    ledger.Write(100);
    etcd[0].Kill();
    ledger.Write(100);
    etcd[0].Launch();
    REQUIRE(etcd[0].WaitUntilServing());
  }
  ledger.Check(*store);
  CHECK(ledger.Count(Code::kOk) >= 200);
}

TEST_CASE("three servers, one in trouble: the others go on") {
  test::EtcdCluster etcd(3, kFastElections);
  const auto store = OpenStore(etcd.addresses(), 4'000);
  Ledger ledger(*store);
  ledger.Write(50);
  ledger.WaitForAll();
  const size_t leader = etcd.Leader();
  REQUIRE(leader < etcd.size());
  REQUIRE(Put(*store, "after", "nothing").ok());

  SECTION("killed, one after the other") {
    for (size_t victim = 0; victim < 2; ++victim) {
      ledger.Write(50);
      etcd[victim].Kill();
      ledger.Write(50);
      ledger.WaitForAll();
      Replace(*store, "after", victim == 0 ? "nothing" : "0", std::to_string(victim));
      etcd[victim].Launch();
      REQUIRE(etcd[victim].WaitUntilServing());
    }
    ledger.Check(*store);
    CHECK(ledger.Count(Code::kOk) >= 50);
  }
  SECTION("the one in use falls silent: reads move on within their time") {
    // The leader is, as soon as the store knows it.
    etcd[leader].Pause();
    const int64_t start_ms = base::SystemClock().MonotonicMs();
    CHECK(Get(*store, "k/0").ok());
    CHECK(MillisecondsSince(start_ms) < 6'000);
    // Now the silent one is known: nobody waits for it.
    const int64_t second_ms = base::SystemClock().MonotonicMs();
    CHECK(Get(*store, "k/1").ok());
    CHECK(MillisecondsSince(second_ms) < 1'000);
    CHECK(Put(*store, "after", "silence").ok());
    etcd[leader].Continue();
    ledger.Check(*store);
  }
  SECTION("two of them gone: writes are refused or unknown, serializable reads go on") {
    etcd[(leader + 1) % 3].Kill();
    etcd[(leader + 2) % 3].Kill();
    ledger.Write(5);
    etcdserverpb::RangeRequest request;
    request.set_key("k/0");
    request.set_serializable(true);
    Answer<etcdserverpb::RangeResponse> read;
    store->Range(request, read.done());
    CHECK(read.Get().ok());
    CHECK(Get(*store, "k/0").status().code() == Code::kUnavailable);
    etcd[(leader + 1) % 3].Launch();
    etcd[(leader + 2) % 3].Launch();
    REQUIRE(etcd[(leader + 1) % 3].WaitUntilServing());
    ledger.Check(*store);
  }
}

TEST_CASE("a store stays with the server that works") {
  test::EtcdCluster etcd(3, kFastElections);
  std::vector<std::unique_ptr<test::TcpProxy>> proxies;
  std::vector<std::string> endpoints;
  for (size_t i = 0; i < etcd.size(); ++i) {
    proxies.push_back(std::make_unique<test::TcpProxy>(etcd[i].port()));
    endpoints.push_back(proxies.back()->address());
  }
  const auto store = OpenStore(endpoints);
  REQUIRE(Put(*store, "a", "0").ok());
  proxies[0]->Refuse(true);
  proxies[0]->Cut();
  REQUIRE(Get(*store, "a").ok());
  const int before = proxies[1]->accepted() + proxies[2]->accepted();
  proxies[0]->Refuse(false);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(Put(*store, "a", std::to_string(i)).ok());
  }
  CHECK(proxies[1]->accepted() + proxies[2]->accepted() == before);
}

}  // namespace
}  // namespace matricula::store
