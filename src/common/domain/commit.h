#pragma once

#include <absl/functional/any_invocable.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/domain/pedido_lease.h"
#include "common/domain/task.h"
#include "common/domain/timer.h"
#include "common/store/store.h"

namespace matricula::domain {

// One change of the domain, as a transaction that can be made anew.
struct Write {
  // Makes the transaction, once per attempt and always the same but for `lease_id`, the lease under
  // which it is to put its pedido/ keys. Its success branch only writes. At most
  // kMaxWriteOperations in each list.
  absl::AnyInvocable<etcdserverpb::TxnRequest(int64_t lease_id)> build;
  // How many pedido/ keys it puts.
  int pedidos = 0;
  // How an attempt whose outcome is unknown is kept from taking effect later. Either a key whose
  // mod_revision (not 0) it compares: that key is touched. Or empty: every attempt compares that a
  // fence of its own, `cerca/<token>`, is absent, and that is put.
  std::string fence_key;
};

// The rest of a transaction is the transactor's.
inline constexpr int kMaxWriteOperations = store::kMaxTxnOperations - 2;

// How a write ended.
struct Outcome {
  bool applied = false;
  // Of the effect if applied, else of the answer.
  int64_t revision = 0;
  // The store's answer; if not applied, with the answers to the write's `failure` operations. An
  // applied write that had to be looked for in the history has none (`succeeded` is not set).
  etcdserverpb::TxnResponse response;
};

// The domain's way to the store; every domain write goes through it.
class Transactor {
 public:
  struct Options {
    // Longest that one read or write is tried while the store is unavailable.
    int64_t budget_ms = 5'000;
    // Tells this writer from all others and seeds the jitter; 0: drawn from the system.
    uint64_t writer_id = 0;
  };

  Transactor(store::Store& store, Timer& timer, const base::Clock& clock, Options options);
  ~Transactor();

  // Does the write and answers what truly happened. Every attempt puts `mudanca` with a token of
  // its own. Unavailable is tried again. An attempt whose outcome is unknown is first fenced off,
  // so that it cannot take effect any more; then the history of `mudanca` tells whether it has, and
  // if not, there is another attempt. Errors: OutcomeUnknown (the store stayed unreachable, or the
  // history has been compacted); any other: the write was not applied and never will be.
  Task<base::Result<Outcome>> Commit(Write write);

  // A linearizable read of one revision (or of the revision that its ranges name); retried while
  // the store is unavailable.
  Task<base::Result<etcdserverpb::TxnResponse>> Read(etcdserverpb::TxnRequest request);
  Task<base::Result<etcdserverpb::RangeResponse>> Read(etcdserverpb::RangeRequest request);

  // Waits between `least_ms` and `most_ms`, as chance has it; not at all once closed.
  Task<bool> Pause(int64_t least_ms, int64_t most_ms);

  const base::Clock& clock() const { return clock_; }
  bool closing() const { return closing_.load(std::memory_order_relaxed); }

  // Held by every operation under way, so that nothing is destroyed under it. Empty: closed, the
  // operation must answer ClosedStatus().
  class Presence {
   public:
    Presence() = default;
    explicit Presence(Transactor* here) : here_(here) {}
    Presence(Presence&& other) noexcept : here_(std::exchange(other.here_, nullptr)) {}
    Presence& operator=(Presence&&) = delete;
    ~Presence() {
      if (here_ != nullptr) here_->Leave();
    }
    explicit operator bool() const { return here_ != nullptr; }

   private:
    Transactor* here_ = nullptr;
  };
  Presence Enter();
  static base::Status ClosedStatus();

  // New operations are not let in, and nothing is retried any more.
  void Close();
  // Closes, and waits until every Presence is gone.
  void Drain();

 private:
  class Backoff;

  template <class Response, class Ask>
  Task<base::Result<Response>> AskUntilReady(Ask ask);
  std::string NextToken();
  uint64_t NextRandom();
  void NoteRevision(int64_t revision);
  void Leave();
  Task<base::Result<int64_t>> KnownRevision();
  Task<base::Result<int64_t>> Lease(int ids);
  Task<base::Result<etcdserverpb::TxnResponse>> Send(etcdserverpb::TxnRequest txn,
                                                     int64_t lease_id);
  Task<base::Result<etcdserverpb::TxnResponse>> Attempt(Write& write, const std::string& token);
  Task<base::Result<etcdserverpb::TxnResponse>> Fence(const Write& write, const std::string& token);
  Task<base::Result<Outcome>> Settle(const Write& write, const std::string& token, int64_t before,
                                     Backoff& backoff);

  store::Store& store_;
  Timer& timer_;
  const base::Clock& clock_;
  const Options options_;
  const std::string writer_;  // first part of every token
  PedidoLease lease_;
  std::atomic<uint64_t> tokens_{0};
  std::atomic<uint64_t> random_;
  std::atomic<int64_t> newest_revision_{0};  // that any answer has shown
  std::atomic<bool> closing_{false};

  base::Mutex mutex_;
  base::CondVar empty_;
  int present_ GUARDED_BY(mutex_) = 0;
};

// Runs `task` as an operation of its own and hands its result to `done`.
template <class T>
Detached Run(Transactor::Presence presence, Task<base::Result<T>> task, base::Done<T> done) {
  if (presence) {
    auto result = co_await task;
    std::move(done)(std::move(result));
  } else {
    std::move(done)(Transactor::ClosedStatus());
  }
}

}  // namespace matricula::domain
