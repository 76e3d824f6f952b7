// What a comparison with a stock etcd (test/differential) has found, each a test of its own.
#include <catch2/catch.hpp>
#include <memory>

#include "common/base/crc32c.h"
#include "common/kv/lessor.h"
#include "common/kv/mvcc.h"
#include "common/kv/watch_hub.h"
#include "common/storage/memory_engine.h"

namespace matricula::kv {
namespace {

using base::Code;
using etcdserverpb::RangeRequest;

class Fixture {
 public:
  Fixture() : engine_(storage::NewMemoryEngine()), mvcc_(Mvcc::Open(*engine_).value()) {}

  Outcome Apply(const Command& command) {
    const LogCommand entry{++index_, &command};
    return std::move(mvcc_->Apply({&entry, 1}, storage::Durability::kSynced).value().front());
  }
  void Put(const std::string& key) {
    Command command;
    command.mutable_put()->set_key(key);
    REQUIRE(Apply(command).status.ok());
  }
  base::Status Compact(int64_t revision) {
    Command command;
    command.mutable_compaction()->set_revision(revision);
    return Apply(command).status;
  }
  Mvcc& mvcc() { return *mvcc_; }

 private:
  std::unique_ptr<storage::Engine> engine_;
  std::unique_ptr<Mvcc> mvcc_;
  uint64_t index_ = 0;
};

TEST_CASE("etcd difference: the hash of a revision below zero is that of nothing") {
  Fixture fixture;
  fixture.Put("a");
  fixture.Put("b");
  const auto nothing = base::Crc32c(0, "key");
  CHECK(fixture.mvcc().HashKv(-1)->hash() == nothing);
  CHECK(fixture.mvcc().HashKv(0)->hash() != nothing);
  REQUIRE(fixture.Compact(2).ok());
  CHECK(fixture.mvcc().HashKv(-7)->hash() == nothing);
}

TEST_CASE("etcd difference: an unknown sort order leaves the order of keys, whatever the target") {
  Fixture fixture;
  for (const char* key : {"c", "a", "b"}) {
    fixture.Put(key);
  }
  RangeRequest request;
  request.set_key("a");
  request.set_range_end("z");
  request.set_sort_target(RangeRequest::CREATE);
  const auto keys = [&] {
    std::string text;
    const auto response = fixture.mvcc().Range(request);
    for (const auto& pair : response->kvs()) {
      text += pair.key();
    }
    return text;
  };
  CHECK(keys() == "cab");
  request.set_sort_order(static_cast<RangeRequest::SortOrder>(7));
  CHECK(keys() == "abc");
}

TEST_CASE("etcd difference: the first compaction may be at revision 0, a second one not") {
  Fixture fixture;
  CHECK(fixture.Compact(-1).code() == Code::kOutOfRange);
  CHECK(fixture.Compact(0).ok());
  CHECK(fixture.Compact(0).code() == Code::kOutOfRange);
  CHECK(fixture.mvcc().HashKv(0)->compact_revision() == 0);
}

TEST_CASE("etcd difference: the longest time to live is not cut short") {
  base::ManualClock clock;
  clock.AdvanceMs(1'000'000'000);
  Lessor lessor(clock);
  lessor.Granted(1, 9'000'000'000);
  CHECK(lessor.Find(1)->remaining_s == 9'000'000'000);
}

class EventSink final : public WatchSink {
 public:
  bool OnResponse(const etcdserverpb::WatchResponse& response) override {
    events.insert(events.end(), response.events().begin(), response.events().end());
    return true;
  }
  void OnEnd(const base::Status&) override {}

  std::vector<mvccpb::Event> events;
};

TEST_CASE("etcd difference: a key deleted and put again by one transaction has no previous pair") {
  Fixture fixture;
  base::ManualClock clock;
  WatchHub hub(fixture.mvcc(), clock, {});
  fixture.mvcc().SetListener(&hub);
  EventSink live, past;
  etcdserverpb::WatchCreateRequest watch;
  watch.set_key("a");
  watch.set_prev_kv(true);
  const auto live_watch = hub.Open(watch, &live);
  while (hub.RunOnce()) {
  }
  fixture.Put("a");
  Command command;
  auto& txn = *command.mutable_txn();
  txn.add_success()->mutable_request_delete_range()->set_key("a");
  txn.add_success()->mutable_request_put()->set_key("a");
  REQUIRE(fixture.Apply(command).status.ok());
  watch.set_start_revision(2);
  const auto past_watch = hub.Open(watch, &past);
  while (hub.RunOnce()) {
  }
  fixture.mvcc().SetListener(nullptr);
  for (const EventSink* sink : {&live, &past}) {
    REQUIRE(sink->events.size() == 3);
    CHECK(sink->events[1].type() == mvccpb::Event::DELETE);
    CHECK(sink->events[1].prev_kv().mod_revision() == 2);
    CHECK(sink->events[2].kv().create_revision() == 3);
    CHECK_FALSE(sink->events[2].has_prev_kv());
  }
}

}  // namespace
}  // namespace matricula::kv
