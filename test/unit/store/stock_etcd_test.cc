// ReplicaStore against a stock etcd server: the same random history, the same answers, the same
// errors, the same HashKV and the same events.
#include "test/unit/store/stock_etcd.h"

#include <grpcpp/grpcpp.h>

#include <catch2/catch.hpp>
#include <future>
#include <random>

#include "common/storage/memory_engine.h"
#include "common/store/replica_store.h"
#include "test/unit/kv/random_commands.h"
#include "test/unit/store/waiting.h"

namespace matricula::store {
namespace {

using test::StockEtcd;

constexpr int kSteps = 400;
// More than the test takes; what expires is another test's business.
constexpr int64_t kLongTtl_s = 3600;

// Leaves only the revision of every header, for the ids are each server's own.
void Mask(etcdserverpb::ResponseHeader& header) {
  const int64_t revision = header.revision();
  header.Clear();
  header.set_revision(revision);
}

template <class Response>
std::string Text(const Response& response) {
  Response masked = response;
  Mask(*masked.mutable_header());
  return masked.ShortDebugString();
}

std::string Text(const base::Status& status) { return status.ToString(); }

std::string Text(const grpc::Status& status) {
  return base::Status(static_cast<base::Code>(status.error_code()), status.error_message())
      .ToString();
}

class Comparison {
 public:
  Comparison(uint64_t seed, StockEtcd& etcd)
      : random_(seed),
        kv_(etcdserverpb::KV::NewStub(etcd.channel())),
        lease_(etcdserverpb::Lease::NewStub(etcd.channel())),
        maintenance_(etcdserverpb::Maintenance::NewStub(etcd.channel())),
        watch_(etcdserverpb::Watch::NewStub(etcd.channel())) {
    auto opened = ReplicaStore::Open(storage::NewMemoryEngine(), {});
    REQUIRE(opened.ok());
    store_ = std::move(opened).value();
  }

  void Go() {
    for (int step = 0; step < kSteps; ++step) {
      Step();
      CompareRange();
      if (step % 50 == 0) CompareHash();
    }
    CompareEvents();
  }

 private:
  // Calls both, and requires that they say the same.
  template <class Response, class Request, class Theirs, class Ours>
  void Compare(const Request& request, Theirs theirs, Ours ours) {
    INFO(request.GetTypeName() << " " << request.ShortDebugString());
    grpc::ClientContext context;
    Response expected;
    const grpc::Status status = theirs(&context, request, &expected);
    const base::Result<Response> actual = ours(request);
    REQUIRE(Text(actual.status()) == Text(status));
    if (actual.ok()) {
      REQUIRE(Text(*actual) == Text(expected));
      revision_ = std::max(revision_, expected.header().revision());
    }
  }

  void Step() {
    kv::Command command = random_.Any(revision_);
    switch (command.request_case()) {
      case kv::Command::kPut:
        if (random_.OneIn(30)) command.mutable_put()->set_value("given");
        return Compare<etcdserverpb::PutResponse>(
            command.put(), [&](auto... call) { return kv_->Put(call...); },
            [&](const auto& request) {
              return Wait<etcdserverpb::PutResponse>(
                  [&](auto done) { store_->Put(request, std::move(done)); });
            });
      case kv::Command::kDeleteRange:
        return Compare<etcdserverpb::DeleteRangeResponse>(
            command.delete_range(), [&](auto... call) { return kv_->DeleteRange(call...); },
            [&](const auto& request) {
              return Wait<etcdserverpb::DeleteRangeResponse>(
                  [&](auto done) { store_->DeleteRange(request, std::move(done)); });
            });
      case kv::Command::kTxn:
        return CompareTxn(command.txn());
      case kv::Command::kCompaction:
        // Or what HashKV covers would depend on how far the stock server has come with deleting.
        command.mutable_compaction()->set_physical(true);
        return Compare<etcdserverpb::CompactionResponse>(
            command.compaction(), [&](auto... call) { return kv_->Compact(call...); },
            [&](const auto& request) {
              return Wait<etcdserverpb::CompactionResponse>(
                  [&](auto done) { store_->Compact(request, std::move(done)); });
            });
      case kv::Command::kLeaseGrant:
        return CompareGrant(*command.mutable_lease_grant());
      case kv::Command::kLeaseRevoke:
        return Compare<etcdserverpb::LeaseRevokeResponse>(
            command.lease_revoke(), [&](auto... call) { return lease_->LeaseRevoke(call...); },
            [&](const auto& request) {
              return Wait<etcdserverpb::LeaseRevokeResponse>(
                  [&](auto done) { store_->LeaseRevoke(request, std::move(done)); });
            });
      default:
        return;
    }
  }

  void CompareTxn(etcdserverpb::TxnRequest request) {
    if (random_.OneIn(100)) {
      for (int i = 0; i < 129; ++i) random_.Put(*request.add_success()->mutable_request_put());
    }
    if (random_.OneIn(50)) request.add_compare();
    Tame(request, DeletesMuch(request));
    Compare<etcdserverpb::TxnResponse>(
        request, [&](auto... call) { return kv_->Txn(call...); },
        [&](const auto& same) {
          return Wait<etcdserverpb::TxnResponse>(
              [&](auto done) { store_->Txn(same, std::move(done)); });
        });
  }

  // What must not be asked of the stock server: how it orders what is equal by another target than
  // the key is chance, and a put that needs a key which an earlier deletion of the same
  // transaction has taken away makes it panic.
  static void Tame(etcdserverpb::TxnRequest& request, bool deletes_much) {
    for (auto* operations : {request.mutable_success(), request.mutable_failure()}) {
      for (auto& operation : *operations) {
        if (operation.has_request_range()) operation.mutable_request_range()->clear_sort_target();
        if (operation.has_request_txn()) Tame(*operation.mutable_request_txn(), deletes_much);
        if (!operation.has_request_put() || !deletes_much) continue;
        operation.mutable_request_put()->clear_ignore_value();
        operation.mutable_request_put()->clear_ignore_lease();
      }
    }
  }

  // Only a deletion of everything from a key on may meet a put at all.
  static bool DeletesMuch(const etcdserverpb::TxnRequest& request) {
    for (const auto* operations : {&request.success(), &request.failure()}) {
      for (const auto& operation : *operations) {
        if (operation.request_delete_range().range_end() == std::string(1, '\0')) return true;
        if (operation.has_request_txn() && DeletesMuch(operation.request_txn())) return true;
      }
    }
    return false;
  }

  void CompareGrant(etcdserverpb::LeaseGrantRequest& request) {
    if (request.id() == 0) return;
    if (request.ttl() < kLongTtl_s) request.set_ttl(kLongTtl_s);
    Compare<etcdserverpb::LeaseGrantResponse>(
        request, [&](auto... call) { return lease_->LeaseGrant(call...); },
        [&](const auto& same) {
          return Wait<etcdserverpb::LeaseGrantResponse>(
              [&](auto done) { store_->LeaseGrant(same, std::move(done)); });
        });
  }

  void CompareRange() {
    auto request = random_.RangeRequest(revision_);
    request.clear_sort_target();
    if (random_.OneIn(40)) request.clear_key();
    Compare<etcdserverpb::RangeResponse>(
        request, [&](auto... call) { return kv_->Range(call...); },
        [&](const auto& same) {
          return Wait<etcdserverpb::RangeResponse>(
              [&](auto done) { store_->Range(same, std::move(done)); });
        });
  }

  void CompareHash() {
    etcdserverpb::HashKVRequest request;
    request.set_revision(random_.Revision(revision_));
    Compare<etcdserverpb::HashKVResponse>(
        request, [&](auto... call) { return maintenance_->HashKV(call...); },
        [&](const auto& same) { return store_->HashKv(same); });
  }

  // All that can still be watched, with what was there before.
  void CompareEvents() {
    etcdserverpb::WatchRequest request;
    auto& create = *request.mutable_create_request();
    create.set_key(std::string(1, '\0'));
    create.set_range_end(std::string(1, '\0'));
    create.set_start_revision(std::max<int64_t>(store_->GetNumbers().compacted_revision + 1, 1));
    create.set_prev_kv(true);
    const int64_t last = store_->GetNumbers().revision;
    if (create.start_revision() > last) return;
    EventCollector ours(last);
    const auto watch = store_->OpenWatch(create, &ours);
    REQUIRE(ours.Wait());

    grpc::ClientContext context;
    const auto stream = watch_->Watch(&context);
    REQUIRE(stream->Write(request));
    std::string theirs;
    etcdserverpb::WatchResponse response;
    int64_t seen = 0;
    while (seen < last && stream->Read(&response)) {
      for (const auto& event : response.events()) {
        theirs += event.ShortDebugString() + "\n";
        seen = event.kv().mod_revision();
      }
    }
    context.TryCancel();
    REQUIRE(ours.events() == theirs);
  }

  kv::test::RandomCommands random_;
  std::unique_ptr<ReplicaStore> store_;
  std::unique_ptr<etcdserverpb::KV::Stub> kv_;
  std::unique_ptr<etcdserverpb::Lease::Stub> lease_;
  std::unique_ptr<etcdserverpb::Maintenance::Stub> maintenance_;
  std::unique_ptr<etcdserverpb::Watch::Stub> watch_;
  int64_t revision_ = 1;
};

}  // namespace

TEST_CASE("the store and a stock etcd give the same answers to the same history") {
  StockEtcd etcd;
  REQUIRE(etcd.running());
  const uint64_t seed = std::random_device()();
  INFO("seed " << seed);
  Comparison(seed, etcd).Go();
}

}  // namespace matricula::store
