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

// One change of the domain, as a transaction that can be sent again.
struct Write {
  // Makes the transaction, once per attempt and always the same but for `lease_id`, the lease under
  // which it is to put its pedido/ keys. Its success branch only writes. At most
  // kMaxWriteOperations in each list.
  absl::AnyInvocable<etcdserverpb::TxnRequest(int64_t lease_id)> build;
  // How many pedido/ keys it puts.
  int pedidos = 0;
  // True if its compares can never hold again once any attempt has taken effect, whatever others
  // do meanwhile (it compares the mod_revision of a key that exists, and changes that key).
  // Otherwise a fence is added: see Transactor::Commit.
  bool self_fencing = false;
};

inline constexpr int kMaxWriteOperations = store::kMaxTxnOperations - 3;

// How a write ended.
struct Outcome {
  bool applied = false;
  // Of the effect if applied, else of the answer.
  int64_t revision = 0;
  // The answers to the write's `failure` operations, in order, if the last attempt took that
  // branch; that may be so although an earlier attempt was applied. Otherwise `succeeded` is set.
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

  // Does the write and answers what truly happened. Puts `mudanca` with a token that only this
  // write has. Unavailable is retried. If the outcome is unknown the same transaction is sent
  // again; should its compares fail then, the history of `mudanca` tells whether an earlier attempt
  // was it. A write that is not self-fencing also compares `cerca/<token>` absent, and puts that
  // key in both branches when it is sent again, so that a straggling attempt cannot take effect
  // after the answer.
  // Errors: OutcomeUnknown (the store stayed unreachable, or the history has been compacted); any
  // other: the write was not applied and never will be.
  Task<base::Result<Outcome>> Commit(Write write);

  // A linearizable read of one revision (or of the revision that its ranges name); retried while
  // the store is unavailable.
  Task<base::Result<etcdserverpb::TxnResponse>> Read(etcdserverpb::TxnRequest request);

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

  std::string NextToken();
  uint64_t NextRandom();
  void NoteRevision(int64_t revision);
  void Leave();
  Task<base::Result<int64_t>> KnownRevision();
  Task<base::Result<etcdserverpb::TxnResponse>> Send(Write& write, const std::string& token,
                                                     bool settling);
  Task<base::Result<Outcome>> Settle(etcdserverpb::TxnResponse response, const std::string& token,
                                     int64_t before, int64_t deadline_ms);

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
    std::move(done)(co_await task);
  } else {
    std::move(done)(Transactor::ClosedStatus());
  }
}

}  // namespace matricula::domain
