#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>
#include <thread>

#include "test/etcd_support/stock_etcd.h"
#include "test/etcd_support/tcp_proxy.h"
#include "test/unit/etcd_store/waiting.h"

namespace matricula::store {
namespace {

using base::Code;

void Compact(const std::string& address, int64_t revision) {
  const std::string command = "ETCDCTL_API=3 etcdctl --endpoints=" + address + " compaction " +
                              std::to_string(revision) + " >/dev/null 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
}

// Every event of a revision of its own, none missing from the first to the last.
void CheckRevisions(const std::vector<mvccpb::Event>& events, size_t count) {
  REQUIRE(events.size() == count);
  for (size_t i = 1; i < count; ++i) {
    REQUIRE(events[i].kv().mod_revision() == events[i - 1].kv().mod_revision() + 1);
  }
}

// One key, written with the values 0, 1, …: event i must be of value i.
void CheckGapless(const std::vector<mvccpb::Event>& events, size_t count) {
  REQUIRE(events.size() == count);
  for (size_t i = 0; i < count; ++i) {
    REQUIRE(events[i].kv().value() == std::to_string(i));
    REQUIRE((i == 0 || events[i].kv().mod_revision() > events[i - 1].kv().mod_revision()));
  }
}

TEST_CASE("a watch tells of its creation, of what happens, and of nothing after its end") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  REQUIRE(Put(*store, "n/", "before").ok());
  RecordingSink sink;
  auto watch = store->OpenWatch(WatchOf("n/", "n0", 0), &sink);
  REQUIRE(sink.WaitForResponses(1));
  CHECK(sink.responses()[0].created());
  CHECK(sink.responses()[0].header().revision() == 2);
  REQUIRE(Put(*store, "n/", "0").ok());
  REQUIRE(Put(*store, "n/", "1").ok());
  REQUIRE(sink.WaitForEvents(2));
  watch.reset();
  REQUIRE(Put(*store, "n/", "2").ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CheckGapless(sink.events(), 2);
  CHECK(sink.end().ok());
}

TEST_CASE("a watch from the past has a header that says how far it has seen everything") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  REQUIRE(PutMany(*store, "n/", 2'500));  // more than etcd sends in one response
  RecordingSink sink;
  const auto watch = store->OpenWatch(WatchOf("n/", "n0", 2), &sink);
  REQUIRE(sink.WaitForEvents(2'500));
  CheckRevisions(sink.events(), 2'500);
  for (const auto& response : sink.responses()) {
    if (!response.events().empty()) {
      CHECK(response.header().revision() == response.events().rbegin()->kv().mod_revision());
    }
  }
}

TEST_CASE("a watch whose connection is cut again and again misses nothing and repeats nothing") {
  const auto seed = std::random_device()();
  CAPTURE(seed);
  std::mt19937 random(seed);
  test::EtcdCluster etcd(1);
  test::TcpProxy proxy(etcd[0].port());
  const auto watching = OpenStore({proxy.address()});
  const auto writing = OpenStore(etcd.addresses());
  RecordingSink sink;
  const auto watch = watching->OpenWatch(WatchOf("n/", "n0", 0), &sink);
  REQUIRE(sink.WaitForResponses(1));
  constexpr size_t kWrites = 1'500;
  for (size_t i = 0; i < kWrites; ++i) {
    REQUIRE(Put(*writing, "n/", std::to_string(i)).ok());
    if (random() % 100 == 0) {
      proxy.HoldAnswers(random() % 2 == 0);
    } else if (random() % 100 == 0) {
      proxy.Cut();
      proxy.HoldAnswers(false);
    }
  }
  proxy.HoldAnswers(false);
  REQUIRE(sink.WaitForEvents(kWrites));
  CheckGapless(sink.events(), kWrites);
  CHECK(proxy.accepted() > 1);
  const auto responses = sink.responses();
  CHECK(std::count_if(responses.begin(), responses.end(),
                      [](const auto& response) { return response.created(); }) == 1);
}

TEST_CASE("a watch survives a server that dies and one that falls silent") {
  test::EtcdCluster etcd(3, kFastElections);
  test::TcpProxy proxy(etcd[1].port());
  const auto store = OpenStore({etcd[0].address(), proxy.address()}, 3'000);
  RecordingSink sink;
  const auto watch = store->OpenWatch(WatchOf("n/", "n0", 0), &sink);
  REQUIRE(sink.WaitForResponses(1));
  REQUIRE(Put(*store, "n/", "0").ok());
  size_t written = 1;
  const auto write = [&] {
    for (int i = 0; i < 20; ++i, ++written) {
      Replace(*store, "n/", std::to_string(written - 1), std::to_string(written));
    }
  };
  write();
  etcd[0].Kill();
  write();
  REQUIRE(sink.WaitForEvents(written));
  CHECK(proxy.accepted() == 1);
  etcd[0].Launch();
  REQUIRE(etcd[0].WaitUntilServing());
  proxy.HoldAnswers(true);
  proxy.HoldRequests(true);
  write();
  REQUIRE(sink.WaitForEvents(written));  // found out by keep-alive
  CheckGapless(sink.events(), written);
}

TEST_CASE("a watch ends when what it wants next is compacted") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  for (int i = 0; i < 10; ++i) {
    REQUIRE(Put(*store, "n/", std::to_string(i)).ok());
  }
  Compact(etcd[0].address(), 8);
  SECTION("from the beginning") {
    RecordingSink sink;
    const auto watch = store->OpenWatch(WatchOf("n/", "n0", 3), &sink);
    REQUIRE(sink.WaitForEnd());
    CHECK(sink.end() == base::Status(Code::kOutOfRange,
                                     "etcdserver: mvcc: required revision has been compacted"));
    CHECK(sink.responses().back().canceled());
    CHECK(sink.responses().back().compact_revision() == 8);
    CHECK(sink.events().empty());
  }
  SECTION("while it was disconnected") {
    test::TcpProxy proxy(etcd[0].port());
    const auto watching = OpenStore({proxy.address()});
    RecordingSink sink;
    const auto watch = watching->OpenWatch(WatchOf("n/", "n0", 0), &sink);
    REQUIRE(sink.WaitForResponses(1));
    proxy.Refuse(true);
    proxy.Cut();
    for (int i = 0; i < 10; ++i) {
      REQUIRE(Put(*store, "n/", std::to_string(i)).ok());
    }
    Compact(etcd[0].address(), 20);
    proxy.Refuse(false);
    REQUIRE(sink.WaitForEnd());
    CHECK(sink.end().code() == Code::kOutOfRange);
    CHECK(sink.events().empty());
  }
  SECTION("not if it starts at the compacted revision itself") {
    RecordingSink sink;
    const auto watch = store->OpenWatch(WatchOf("n/", "n0", 8), &sink);
    REQUIRE(sink.WaitForEvents(4));
    CHECK(sink.events()[0].kv().mod_revision() == 8);
  }
}

TEST_CASE("a watch of an empty range is refused") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  RecordingSink sink;
  const auto watch = store->OpenWatch(WatchOf("b", "a", 0), &sink);
  REQUIRE(sink.WaitForEnd());
  CHECK(sink.end() == base::Status(Code::kInvalidArgument, "mvcc: watcher range is empty"));
}

TEST_CASE("a sink that has had enough is left alone until it resumes") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  RecordingSink sink;
  const auto watch = store->OpenWatch(WatchOf("n/", "n0", 0), &sink);
  REQUIRE(sink.WaitForResponses(1));
  sink.PauseAfterEach(true);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(Put(*store, "n/", std::to_string(i)).ok());
  }
  REQUIRE(sink.WaitForEvents(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const size_t first = sink.responses().size();
  CHECK(first == 2);  // the creation and one more
  watch->Resume();
  REQUIRE(sink.WaitForResponses(first + 1));
  sink.PauseAfterEach(false);
  watch->Resume();
  REQUIRE(sink.WaitForEvents(20));
  CheckGapless(sink.events(), 20);
}

TEST_CASE("a paused watch can be closed, by its holder and with its store") {
  test::EtcdCluster etcd(1);
  auto store = OpenStore(etcd.addresses());
  RecordingSink closed_by_holder, closed_by_store;
  closed_by_holder.PauseAfterEach(true);
  closed_by_store.PauseAfterEach(true);
  auto first = store->OpenWatch(WatchOf("n/", "n0", 0), &closed_by_holder);
  auto second = store->OpenWatch(WatchOf("n/", "n0", 0), &closed_by_store);
  REQUIRE(closed_by_holder.WaitForResponses(1));
  REQUIRE(closed_by_store.WaitForResponses(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  first.reset();
  store.reset();
  CHECK(closed_by_store.end().code() == Code::kCancelled);
  CHECK(closed_by_holder.end().ok());
}

TEST_CASE("a watch may be closed from its own sink") {
  class ClosingSink : public RecordingSink {
   public:
    bool OnResponse(const etcdserverpb::WatchResponse& response) override {
      RecordingSink::OnResponse(response);
      if (!response.events().empty()) {
        watch.reset();
      }
      return true;
    }
    std::unique_ptr<Watch> watch;
  };
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  ClosingSink sink;
  sink.watch = store->OpenWatch(WatchOf("n/", "n0", 0), &sink);
  REQUIRE(sink.WaitForResponses(1));
  for (int i = 0; i < 5; ++i) {
    REQUIRE(Put(*store, "n/", std::to_string(i)).ok());
  }
  REQUIRE(sink.WaitForEvents(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(sink.responses().size() == 2);
}

TEST_CASE("progress that was asked for comes after everything before it") {
  test::EtcdCluster etcd(1);
  const auto store = OpenStore(etcd.addresses());
  REQUIRE(PutMany(*store, "n/", 2'000));
  REQUIRE(Put(*store, "elsewhere", "x").ok());
  RecordingSink sink;
  const auto watch = store->OpenWatch(WatchOf("n/", "n0", 2), &sink);
  watch->RequestProgress();
  REQUIRE(sink.WaitForProgress(1));
  CheckRevisions(sink.events(), 2'000);
  const auto last = sink.responses().back();
  CHECK(last.events().empty());
  CHECK(last.header().revision() == 2'002);
}

}  // namespace
}  // namespace matricula::store
