#include "common/domain/commit.h"

#include <algorithm>
#include <cstdio>
#include <random>

#include "common/base/ensure.h"
#include "common/domain/history.h"
#include "common/domain/keys.h"
#include "common/domain/records.h"
#include "common/domain/txn.h"

namespace matricula::domain {
namespace {

using base::Code;
using base::Result;
using base::Status;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

uint64_t WriterId(uint64_t chosen) {
  if (chosen != 0) return chosen;
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

std::string Hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(number));
  return text;
}

// Nothing has been changed, and the same may work in a moment.
bool IsTransient(Code code) { return code == Code::kUnavailable; }

// An error that is not about the write itself must not be taken for one that is.
Status Unready(const Status& status) {
  if (status.code() != Code::kOutcomeUnknown) return status;
  return {Code::kUnavailable, status.message()};
}

Status UnknownOutcome(const Status& last) {
  return {Code::kOutcomeUnknown, "whether the change took effect is not known: " + last.ToString()};
}

void CheckSize(const TxnRequest& txn) {
  ENSURE(txn.compare_size() <= kMaxWriteOperations, "a write leaves room for the fence");
  ENSURE(txn.success_size() <= kMaxWriteOperations, "a write leaves room for mudanca");
  ENSURE(txn.failure_size() <= kMaxWriteOperations, "a write leaves room for what it nests");
}

}  // namespace

// The pauses of one operation between its attempts, until its time is up.
class Transactor::Backoff {
 public:
  explicit Backoff(Transactor& transactor)
      : transactor_(transactor),
        deadline_ms_(transactor.clock_.MonotonicMs() + transactor.options_.budget_ms) {}

  // False: no more attempts.
  Task<bool> Next() {
    constexpr int64_t kFirstMs = 4;
    constexpr int64_t kLongestMs = 250;
    const int64_t left_ms = deadline_ms_ - transactor_.clock_.MonotonicMs();
    if (left_ms <= 0 || transactor_.closing()) co_return false;
    const int64_t most_ms = std::min(left_ms, std::min(kFirstMs << attempts_, kLongestMs));
    attempts_ = std::min(attempts_ + 1, 10);
    co_await transactor_.Pause(std::min<int64_t>(1, most_ms), most_ms);
    co_return !transactor_.closing();
  }

  int64_t deadline_ms() const { return deadline_ms_; }

 private:
  Transactor& transactor_;
  const int64_t deadline_ms_;
  int attempts_ = 0;
};

Transactor::Transactor(store::Store& store, Timer& timer, const base::Clock& clock, Options options)
    : store_(store),
      timer_(timer),
      clock_(clock),
      options_(options),
      writer_(Hex(WriterId(options.writer_id))),
      lease_(store, clock),
      random_(std::hash<std::string>{}(writer_)) {}

Transactor::~Transactor() { Drain(); }

Task<Result<Outcome>> Transactor::Commit(Write write) {
  Backoff backoff(*this);
  while (true) {
    const auto before = co_await KnownRevision();
    if (!before.ok()) co_return before.status();
    const std::string token = NextToken();
    auto response = co_await Attempt(write, token);
    if (response.ok()) {
      Outcome outcome;
      outcome.applied = response->succeeded();
      outcome.revision = response->header().revision();
      outcome.response = std::move(*response);
      co_return outcome;
    }
    Status status = response.status();
    if (status.code() == Code::kOutcomeUnknown) {
      auto settled = co_await Settle(write, token, *before, backoff);
      if (!settled.ok() || settled->applied) co_return settled;
      status = Unready(status);
    }
    if (!IsTransient(status.code())) co_return status;
    const bool again = co_await backoff.Next();
    if (!again) co_return status;
  }
}

Task<Result<TxnResponse>> Transactor::Attempt(Write& write, const std::string& token) {
  int64_t lease_id = 0;
  if (write.pedidos > 0) {
    const auto lease = co_await Lease(write.pedidos);
    if (!lease.ok()) co_return lease.status();
    lease_id = *lease;
  }
  TxnRequest txn = write.build(lease_id);
  CheckSize(txn);
  if (write.fence_key.empty()) RequireAbsent(txn, CercaKey(token));
  AddPut(txn.mutable_success(), std::string(kMudancaKey), EncodeMudanca(token));
  co_return co_await Send(std::move(txn), lease_id);
}

// After this the attempt with that token cannot take effect any more. Its answer ends with
// `mudanca` as it was then.
Task<Result<TxnResponse>> Transactor::Fence(const Write& write, const std::string& token) {
  int64_t lease_id = 0;
  TxnRequest txn;
  if (write.fence_key.empty()) {
    const auto lease = co_await Lease(1);
    if (!lease.ok()) co_return lease.status();
    lease_id = *lease;
    AddPut(txn.mutable_success(), CercaKey(token), std::string(kEmptyRecord), lease_id);
  } else {
    AddTouch(txn.mutable_success(), write.fence_key);
  }
  AddGet(txn.mutable_success(), std::string(kMudancaKey));
  co_return co_await Send(std::move(txn), lease_id);
}

// Whether the attempt took effect. `before` is a revision from before it was sent.
Task<Result<Outcome>> Transactor::Settle(const Write& write, const std::string& token,
                                         int64_t before, Backoff& backoff) {
  Result<TxnResponse> fenced = Status(Code::kUnavailable, "not yet asked");
  while (!fenced.ok()) {
    const bool again = co_await backoff.Next();
    if (!again) co_return UnknownOutcome(fenced.status());
    fenced = co_await Fence(write, token);
  }
  Outcome outcome;
  outcome.revision = fenced->header().revision();
  const auto* mudanca = PairAt(*fenced, fenced->responses_size() - 1);
  const HistoryRange range{before, mudanca == nullptr ? 0 : mudanca->mod_revision()};
  const auto found =
      co_await FindWriter(store_, timer_, clock_, token, range, backoff.deadline_ms());
  if (!found.ok()) co_return UnknownOutcome(found.status());
  if (*found) {
    outcome.applied = true;
    outcome.revision = **found;
  }
  co_return outcome;
}

Task<Result<int64_t>> Transactor::Lease(int ids) {
  const auto lease =
      co_await Call<int64_t>([&](base::Done<int64_t> done) { lease_.Get(ids, std::move(done)); });
  if (!lease.ok()) co_return Unready(lease.status());
  co_return lease;
}

Task<Result<TxnResponse>> Transactor::Send(TxnRequest txn, int64_t lease_id) {
  auto response = co_await Call<TxnResponse>(
      [&](base::Done<TxnResponse> done) { store_.Txn(std::move(txn), std::move(done)); });
  if (response.ok()) {
    NoteRevision(response->header().revision());
  } else if (response.status().code() == Code::kNotFound && lease_id != 0) {
    lease_.Forget(lease_id);
    co_return Status(Code::kUnavailable, "the lease of the request ids is gone");
  }
  co_return response;
}

Task<Result<TxnResponse>> Transactor::Read(TxnRequest request) {
  return AskUntilReady<TxnResponse>(
      [this, request = std::move(request)](base::Done<TxnResponse> done) {
        store_.Txn(request, std::move(done));
      });
}

Task<Result<RangeResponse>> Transactor::Read(RangeRequest request) {
  return AskUntilReady<RangeResponse>(
      [this, request = std::move(request)](base::Done<RangeResponse> done) {
        store_.Range(request, std::move(done));
      });
}

template <class Response, class Ask>
Task<Result<Response>> Transactor::AskUntilReady(Ask ask) {
  Backoff backoff(*this);
  while (true) {
    auto response =
        co_await Call<Response>([&](base::Done<Response> done) { ask(std::move(done)); });
    if (response.ok()) {
      NoteRevision(response->header().revision());
      co_return response;
    }
    // A read whose answer was lost changed nothing: it is as good as unavailable.
    const Status status = Unready(response.status());
    if (!IsTransient(status.code())) co_return status;
    const bool again = co_await backoff.Next();
    if (!again) co_return status;
  }
}

// A write must know a revision from before it was sent, or its own could not be told from history.
Task<Result<int64_t>> Transactor::KnownRevision() {
  const int64_t known = newest_revision_.load();
  if (known > 0) co_return known;
  TxnRequest request;
  AddGet(request.mutable_success(), std::string(kMudancaKey));
  auto response = co_await Read(std::move(request));
  if (!response.ok()) co_return response.status();
  co_return response->header().revision();
}

Task<bool> Transactor::Pause(int64_t least_ms, int64_t most_ms) {
  if (closing()) co_return false;
  const int64_t span = most_ms - least_ms + 1;
  const int64_t delay_ms =
      least_ms + static_cast<int64_t>(NextRandom() % static_cast<uint64_t>(span));
  (void)co_await Call<bool>([&](base::Done<bool> done) {
    timer_.After(delay_ms, [done = std::move(done)]() mutable { std::move(done)(true); });
  });
  co_return true;
}

std::string Transactor::NextToken() {
  return writer_ + "-" + std::to_string(tokens_.fetch_add(1, std::memory_order_relaxed));
}

// splitmix64: jitter needs no more, and needs no lock.
uint64_t Transactor::NextRandom() {
  uint64_t z = random_.fetch_add(0x9e3779b97f4a7c15ULL, std::memory_order_relaxed);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

void Transactor::NoteRevision(int64_t revision) {
  int64_t known = newest_revision_.load(std::memory_order_relaxed);
  while (known < revision && !newest_revision_.compare_exchange_weak(known, revision)) {
  }
}

Transactor::Presence Transactor::Enter() {
  base::MutexLock lock(mutex_);
  if (closing()) return Presence();
  ++present_;
  return Presence(this);
}

void Transactor::Leave() {
  base::MutexLock lock(mutex_);
  if (--present_ == 0) empty_.NotifyAll();
}

Status Transactor::ClosedStatus() { return {Code::kUnavailable, "the server is shutting down"}; }

void Transactor::Close() {
  base::MutexLock lock(mutex_);
  closing_ = true;
}

void Transactor::Drain() {
  base::MutexLock lock(mutex_);
  closing_ = true;
  while (present_ > 0) empty_.Wait(mutex_);
}

}  // namespace matricula::domain
