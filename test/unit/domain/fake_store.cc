#include "fake_store.h"

#include <algorithm>
#include <memory>
#include <vector>

namespace matricula::domain {
namespace {

using base::Code;
using base::Status;

bool Writes(const etcdserverpb::TxnRequest& request) {
  const auto writes = [](const etcdserverpb::RequestOp& op) { return !op.has_request_range(); };
  return std::any_of(request.success().begin(), request.success().end(), writes) ||
         std::any_of(request.failure().begin(), request.failure().end(), writes);
}

// Looks for new revisions every now and then, and hands each to the sink.
class FakeWatch final : public store::Watch {
 public:
  struct State {
    FakeKv& kv;
    Scheduler& scheduler;
    etcdserverpb::WatchCreateRequest request;
    store::WatchSink* sink;
    int64_t next;
    bool over = false;
  };

  explicit FakeWatch(std::shared_ptr<State> state) : state_(std::move(state)) { Poll(state_); }
  ~FakeWatch() override { state_->over = true; }
  void Resume() override {}
  void RequestProgress() override {}

 private:
  static void Poll(const std::shared_ptr<State>& state) {
    state->scheduler.AfterUs(state->scheduler.Random(10, 2'000), [state] { Deliver(state); });
  }

  static void Deliver(const std::shared_ptr<State>& state) {
    if (state->over) return;
    if (state->next < state->kv.compacted()) {
      state->over = true;
      return state->sink->OnEnd(Status(Code::kOutOfRange, "compacted"));
    }
    // Sometimes the connection breaks.
    if (state->scheduler.Chance(5)) {
      state->over = true;
      return state->sink->OnEnd(Status(Code::kUnavailable, "the watch broke"));
    }
    etcdserverpb::WatchResponse response;
    const int64_t most = state->scheduler.Random(1, 20);
    for (int64_t i = 0; i < most && state->next <= state->kv.revision(); ++i) {
      for (const auto& event : state->kv.EventsAt(state->next++)) {
        if (event.kv().key() == state->request.key()) *response.add_events() = event;
      }
    }
    response.mutable_header()->set_revision(state->next - 1);
    state->sink->OnResponse(response);
    if (!state->over) Poll(state);
  }

  std::shared_ptr<State> state_;
};

}  // namespace

// The coroutines of a killed server wait for ever; they are kept, lest they count as leaked.
template <class T>
bool FakeStore::Alive(base::Done<T>& done) {
  static auto* const never_called = new std::vector<base::Done<T>>;
  if (!killed_) return true;
  never_called->push_back(std::move(done));
  return false;
}

FakeStore::Fate FakeStore::Draw(bool writes) {
  if (cut_) return Fate::kUnavailable;
  if (writes && next_write_ != Fate::kNormal) return std::exchange(next_write_, Fate::kNormal);
  int64_t draw = scheduler_.Random(1, 100);
  if ((draw -= faults_.unavailable) <= 0) return Fate::kUnavailable;
  if (!writes) return Fate::kNormal;
  if ((draw -= faults_.lost_applied) <= 0) return Fate::kLostApplied;
  if ((draw -= faults_.lost_dropped) <= 0) return Fate::kLostDropped;
  if ((draw -= faults_.lost_late) <= 0) return Fate::kLostLate;
  return Fate::kNormal;
}

void FakeStore::Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) {
  const bool writes = Writes(request);
  ++(writes ? txns_ : reads_);
  const Fate fate = Draw(writes);
  const int64_t there_us = Delay();
  const int64_t back_us = Delay();
  if (fate == Fate::kUnavailable) {
    scheduler_.AfterUs(there_us, [this, done = std::move(done)]() mutable {
      if (Alive(done)) std::move(done)(Status(Code::kUnavailable, "no leader"));
    });
    return;
  }
  const bool lost = fate != Fate::kNormal;
  if (lost) {
    scheduler_.AfterUs(there_us + back_us, [this, done = std::move(done)]() mutable {
      if (Alive(done)) std::move(done)(Status(Code::kOutcomeUnknown, "the answer was lost"));
    });
  }
  if (fate == Fate::kLostDropped) return;
  const int64_t late_us =
      fate == Fate::kLostLate ? scheduler_.Random(1'000, faults_.late_most_us) : 0;
  scheduler_.AfterUs(there_us + late_us, [this, lost, back_us, request = std::move(request),
                                          done = std::move(done)]() mutable {
    auto response = kv_.Txn(request);
    if (lost) return;
    scheduler_.AfterUs(back_us,
                       [this, response = std::move(response), done = std::move(done)]() mutable {
                         if (Alive(done)) std::move(done)(std::move(response));
                       });
  });
}

void FakeStore::Range(const etcdserverpb::RangeRequest& request,
                      base::Done<etcdserverpb::RangeResponse> done) {
  etcdserverpb::TxnRequest txn;
  *txn.add_success()->mutable_request_range() = request;
  Txn(txn, [done = std::move(done)](base::Result<etcdserverpb::TxnResponse> result) mutable {
    if (!result.ok()) return std::move(done)(result.status());
    std::move(done)(result->responses(0).response_range());
  });
}

std::unique_ptr<store::Watch> FakeStore::OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                                   store::WatchSink* sink) {
  const int64_t start =
      request.start_revision() > 0 ? request.start_revision() : kv_.revision() + 1;
  return std::make_unique<FakeWatch>(
      std::make_shared<FakeWatch::State>(FakeWatch::State{kv_, scheduler_, request, sink, start}));
}

void FakeStore::LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                           base::Done<etcdserverpb::LeaseGrantResponse> done) {
  const bool available = Draw(false) == Fate::kNormal;
  scheduler_.AfterUs(Delay(),
                     [this, available, ttl = request.ttl(), done = std::move(done)]() mutable {
                       if (!available)
                         return std::move(done)(Status(Code::kUnavailable, "no leader"));
                       etcdserverpb::LeaseGrantResponse response;
                       response.set_id(kv_.GrantLease());
                       response.set_ttl(ttl);
                       std::move(done)(std::move(response));
                     });
}

void FakeStore::LeaseKeepAlive(int64_t lease_id,
                               base::Done<etcdserverpb::LeaseKeepAliveResponse> done) {
  etcdserverpb::LeaseKeepAliveResponse response;
  response.set_id(lease_id);
  response.set_ttl(kv_.HasLease(lease_id) ? 60 : 0);
  std::move(done)(std::move(response));
}

}  // namespace matricula::domain
