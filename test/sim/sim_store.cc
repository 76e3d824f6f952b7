#include "test/sim/sim_store.h"

#include <utility>

#include "common/kv/check.h"
#include "test/sim/sim_watch.h"

namespace matricula::sim {
namespace {

using base::Code;
using base::Done;
using base::Result;
using base::Status;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnResponse;

// How long a client waits for an answer.
constexpr int64_t kLeastPatienceMs = 500;
constexpr int64_t kMostPatienceMs = 6'000;

}  // namespace

SimStore::SimStore(World& world, Cluster& cluster)
    : world_(world), cluster_(cluster), random_(world.random().Fork()) {}

// Replicas that are down are tried too: nobody tells a client.
Replica* SimStore::Target() {
  Replica* target = cluster_.Find(target_);
  if (target == nullptr || target->retired() || target->broken()) {
    const std::vector<Replica*> present = cluster_.Present();
    if (present.empty()) return nullptr;
    target = random_.Pick(present);
    target_ = target->id();
  }
  return target;
}

template <class Response>
void SimStore::Call(bool changes, Serve<Response> serve, Done<Response> done) {
  auto waiting = std::make_shared<Done<Response>>(std::move(done));
  const auto answer = [this, waiting](Result<Response> result) {
    if (!*waiting) return;
    if (!result.ok() && random_.Chance(0.7)) TryAnother();
    Done<Response> once = std::exchange(*waiting, nullptr);
    std::move(once)(std::move(result));
  };
  const int64_t patience_ns = random_.Between(kLeastPatienceMs, kMostPatienceMs) * kMs;
  world_.After(patience_ns, [answer, changes] {
    answer(Status(changes ? Code::kOutcomeUnknown : Code::kUnavailable, "no answer in time"));
  });
  Replica* target = Target();
  const auto there_ns = cluster_.network().ClientDelayNs();
  if (target == nullptr || !there_ns) return;
  world_.After(*there_ns, [this, target, serve = std::move(serve), answer] {
    serve(*target, [this, answer](Result<Response> result) {
      const auto back_ns = cluster_.network().ClientDelayNs();
      if (!back_ns) return;
      world_.After(*back_ns,
                   [answer, result = std::move(result)]() mutable { answer(std::move(result)); });
    });
  });
}

void SimStore::Change(kv::Command command, Done<kv::Outcome> done) {
  auto shared = std::make_shared<const kv::Command>(std::move(command));
  Call<kv::Outcome>(
      true,
      [shared](Replica& replica, Done<kv::Outcome> told) {
        replica.Write(*shared, [told = std::move(told)](Result<Answered> answered) mutable {
          if (!answered.ok()) return std::move(told)(answered.status());
          std::move(told)(std::move(answered->outcome));
        });
      },
      std::move(done));
}

void SimStore::ReadTxn(const etcdserverpb::TxnRequest& request, bool serializable,
                       Done<TxnResponse> done) {
  Call<TxnResponse>(
      false,
      [request, serializable](Replica& replica, Done<TxnResponse> told) {
        replica.ReadTxn(request, serializable, std::move(told));
      },
      std::move(done));
}

void SimStore::Range(const etcdserverpb::RangeRequest& request, Done<RangeResponse> done) {
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_range() = request;
  ReadTxn(txn, request.serializable(),
          [done = std::move(done)](Result<TxnResponse> result) mutable {
            if (!result.ok()) return std::move(done)(result.status());
            std::move(done)(std::move(*result->mutable_responses(0)->mutable_response_range()));
          });
}

void SimStore::Txn(etcdserverpb::TxnRequest request, Done<TxnResponse> done) {
  if (Status wrong = kv::CheckTxn(request); !wrong.ok()) return std::move(done)(wrong);
  if (kv::IsReadOnly(request)) return ReadTxn(request, false, std::move(done));
  kv::Command command;
  command.mutable_txn()->Swap(&request);
  Change(std::move(command), [done = std::move(done)](Result<kv::Outcome> outcome) mutable {
    if (!outcome.ok()) return std::move(done)(outcome.status());
    if (!outcome->status.ok()) return std::move(done)(outcome->status);
    std::move(done)(std::get<TxnResponse>(std::move(outcome->response)));
  });
}

void SimStore::LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                          Done<etcdserverpb::LeaseGrantResponse> done) {
  kv::Command command;
  *command.mutable_lease_grant() = request;
  if (request.id() == 0) {
    command.mutable_lease_grant()->set_id(static_cast<int64_t>(random_.Next() >> 1) + 1);
  }
  Change(std::move(command), [done = std::move(done)](Result<kv::Outcome> outcome) mutable {
    if (!outcome.ok()) return std::move(done)(outcome.status());
    if (!outcome->status.ok()) return std::move(done)(outcome->status);
    std::move(done)(std::get<etcdserverpb::LeaseGrantResponse>(std::move(outcome->response)));
  });
}

void SimStore::LeaseKeepAlive(int64_t lease_id, Done<etcdserverpb::LeaseKeepAliveResponse> done) {
  using Response = etcdserverpb::LeaseKeepAliveResponse;
  Call<Response>(
      false,
      [lease_id](Replica& replica, Done<Response> told) {
        const Result<int64_t> ttl_s = replica.KeepAlive(lease_id);
        if (!ttl_s.ok()) return std::move(told)(ttl_s.status());
        Response response;
        response.set_id(lease_id);
        response.set_ttl(*ttl_s);
        std::move(told)(response);
      },
      std::move(done));
}

std::unique_ptr<store::Watch> SimStore::OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                                  store::WatchSink* sink) {
  auto watch = std::make_unique<SimWatch>(world_, cluster_.network(), random_.Fork(), sink);
  watch->Open(Target(), request);
  if (random_.Chance(0.3)) TryAnother();
  return watch;
}

}  // namespace matricula::sim
