#include "common/store/replica_store.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "common/storage/memory_engine.h"
#include "common/storage/rocksdb_engine.h"
#include "test/unit/storage/temporary_directory.h"
#include "test/unit/store/waiting.h"

namespace matricula::store {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::LeaseGrantRequest;
using etcdserverpb::PutRequest;
using etcdserverpb::RangeRequest;
using etcdserverpb::TxnRequest;
using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchResponse;

struct Fixture {
  explicit Fixture(ReplicaStore::Options options = {}) {
    auto opened = ReplicaStore::Open(storage::NewMemoryEngine(), std::move(options));
    REQUIRE(opened.ok());
    store = std::move(opened).value();
  }

  base::Result<etcdserverpb::PutResponse> Put(const std::string& key, const std::string& value,
                                              int64_t lease = 0) {
    PutRequest request;
    request.set_key(key);
    request.set_value(value);
    request.set_lease(lease);
    return Wait<etcdserverpb::PutResponse>(
        [&](auto done) { store->Put(request, std::move(done)); });
  }

  base::Result<etcdserverpb::RangeResponse> Get(const std::string& key, int64_t revision = 0) {
    RangeRequest request;
    request.set_key(key);
    request.set_revision(revision);
    return Wait<etcdserverpb::RangeResponse>(
        [&](auto done) { store->Range(request, std::move(done)); });
  }

  base::Result<etcdserverpb::TxnResponse> Txn(const TxnRequest& request) {
    return Wait<etcdserverpb::TxnResponse>(
        [&](auto done) { store->Txn(request, std::move(done)); });
  }

  int64_t Grant(int64_t ttl_s) {
    LeaseGrantRequest request;
    request.set_ttl(ttl_s);
    auto response = Wait<etcdserverpb::LeaseGrantResponse>(
        [&](auto done) { store->LeaseGrant(request, std::move(done)); });
    REQUIRE(response.ok());
    return response->id();
  }

  std::unique_ptr<ReplicaStore> store;
};

class CollectingSink final : public WatchSink {
 public:
  bool OnResponse(const WatchResponse& response) override {
    const std::lock_guard lock(mutex_);
    for (const auto& event : response.events()) {
      seen_ += event.type() == mvccpb::Event::PUT ? "+" : "-";
      seen_ += event.kv().key();
    }
    created_ |= response.created();
    changed_.notify_all();
    return true;
  }
  void OnEnd(const base::Status& status) override {
    const std::lock_guard lock(mutex_);
    end_ = status;
    changed_.notify_all();
  }

  bool WaitUntilSeen(const std::string& expected) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return seen_ == expected; });
  }
  base::Status WaitForEnd() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return !end_.ok(); });
    return end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string seen_;
  bool created_ = false;
  base::Status end_;
};

}  // namespace

TEST_CASE("what was put is read back with its revisions and the cluster's header") {
  Fixture test;
  const auto put = test.Put("aluno/1", "ana");
  REQUIRE(put.ok());
  CHECK(put->header().revision() == 2);
  CHECK(put->header().cluster_id() == test.store->cluster_id());
  CHECK(put->header().member_id() == test.store->member_id());
  const auto got = test.Get("aluno/1");
  REQUIRE(got.ok());
  REQUIRE(got->kvs_size() == 1);
  CHECK(got->kvs(0).value() == "ana");
  CHECK(got->kvs(0).create_revision() == 2);
  CHECK(got->header().revision() == 2);
}

TEST_CASE("a transaction takes the branch its compares say") {
  Fixture test;
  TxnRequest request;
  Compare& compare = *request.add_compare();
  compare.set_key("a");
  compare.set_target(Compare::VERSION);
  compare.set_version(0);
  auto& put = *request.add_success()->mutable_request_put();
  put.set_key("a");
  put.set_value("1");
  request.add_failure()->mutable_request_range()->set_key("a");
  const auto first = test.Txn(request);
  REQUIRE(first.ok());
  CHECK(first->succeeded());
  const auto second = test.Txn(request);
  REQUIRE(second.ok());
  CHECK_FALSE(second->succeeded());
  CHECK(second->responses(0).response_range().kvs(0).value() == "1");
}

TEST_CASE("wrong requests are refused with etcd's words") {
  Fixture test;
  CHECK(test.Put("", "x").status() ==
        base::Status(base::Code::kInvalidArgument, "etcdserver: key is not provided"));
  CHECK(test.Get("a", 7).status() ==
        base::Status(base::Code::kOutOfRange,
                     "etcdserver: mvcc: required revision is a future revision"));
  CHECK(test.Put("a", "x", 99).status() ==
        base::Status(base::Code::kNotFound, "etcdserver: requested lease not found"));
}

TEST_CASE("a watch sees the past and the present") {
  Fixture test;
  REQUIRE(test.Put("a", "1").ok());
  REQUIRE(test.Put("b", "1").ok());
  CollectingSink sink;
  WatchCreateRequest request;
  request.set_key("a");
  request.set_range_end("z");
  request.set_start_revision(2);
  const auto watch = test.store->OpenWatch(request, &sink);
  REQUIRE(sink.WaitUntilSeen("+a+b"));
  REQUIRE(test.Put("c", "1").ok());
  CHECK(sink.WaitUntilSeen("+a+b+c"));
}

TEST_CASE("a lease that nobody keeps alive ends and takes its keys along") {
  Fixture test;
  const int64_t lease = test.Grant(1);
  REQUIRE(test.Put("b", "1", lease).ok());
  REQUIRE(test.Put("a", "1", lease).ok());
  CollectingSink sink;
  WatchCreateRequest request;
  request.set_key("a");
  request.set_range_end("z");
  const auto watch = test.store->OpenWatch(request, &sink);
  CHECK(sink.WaitUntilSeen("-a-b"));
  CHECK(test.Get("a")->kvs_size() == 0);
  CHECK(test.Get("a")->header().revision() == 4);
}

TEST_CASE("a stopped store refuses and ends its watches") {
  Fixture test;
  CollectingSink sink;
  WatchCreateRequest request;
  request.set_key("a");
  const auto watch = test.store->OpenWatch(request, &sink);
  test.store->Stop();
  CHECK(sink.WaitForEnd().code() == base::Code::kCancelled);
  const base::Status stopped(base::Code::kUnavailable, "etcdserver: server stopped");
  CHECK(test.Put("a", "1").status() == stopped);
  CHECK(test.Get("a").status() == stopped);
}

TEST_CASE("a store on disk goes on where it stopped") {
  const test::TemporaryDirectory directory;
  uint64_t cluster_id = 0;
  for (int64_t revision = 2; revision < 5; ++revision) {
    auto engine = storage::OpenRocksDbEngine(directory.path());
    REQUIRE(engine.ok());
    auto opened = ReplicaStore::Open(std::move(engine).value(), {});
    REQUIRE(opened.ok());
    Fixture test;
    test.store = std::move(opened).value();
    if (cluster_id == 0) cluster_id = test.store->cluster_id();
    CHECK(test.store->cluster_id() == cluster_id);
    CHECK(test.Put("a", "1")->header().revision() == revision);
    CHECK(test.Get("a")->kvs(0).version() == revision - 1);
  }
}

}  // namespace matricula::store
