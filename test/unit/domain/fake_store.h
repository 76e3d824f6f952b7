#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "common/store/store.h"
#include "fake_kv.h"
#include "scheduler.h"

namespace matricula::domain {

// What may go wrong on the way to the store; per cent of the calls.
struct Faults {
  int unavailable = 0;   // said so, and nothing happened
  int lost_applied = 0;  // unknown, and it took effect
  int lost_dropped = 0;  // unknown, and it never will
  int lost_late = 0;     // unknown, and it takes effect later, up to late_most_us
  int64_t late_most_us = 3'000'000;
  int64_t least_us = 50;  // one way
  int64_t most_us = 500;
};

// One server's connection to the store: answers through the scheduler, with delays and faults.
class FakeStore final : public store::Store {
 public:
  FakeStore(FakeKv& kv, Scheduler& scheduler, Faults faults = {})
      : kv_(kv), scheduler_(scheduler), faults_(faults) {}

  void Range(const etcdserverpb::RangeRequest& request,
             base::Done<etcdserverpb::RangeResponse> done) override;
  void Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) override;
  std::unique_ptr<store::Watch> OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                          store::WatchSink* sink) override;
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                  base::Done<etcdserverpb::LeaseGrantResponse> done) override;
  void LeaseKeepAlive(int64_t lease_id,
                      base::Done<etcdserverpb::LeaseKeepAliveResponse> done) override;

  Faults& faults() { return faults_; }
  // While set nothing gets through: what is sent is answered Unavailable.
  void CutOff(bool cut) { cut_ = cut; }
  // Exactly one call, the next transaction that would write, meets this fate.
  enum class Fate { kNormal, kUnavailable, kLostApplied, kLostDropped, kLostLate };
  void NextWrite(Fate fate) { next_write_ = fate; }

  // As if the server behind it were killed: what it has sent may still take effect, but nothing is
  // answered any more.
  void Kill() { killed_ = true; }

  int txns() const { return txns_; }
  int reads() const { return reads_; }

 private:
  Fate Draw(bool writes);
  // Whether the server is still there to be answered; else `done` is put where it is never called.
  template <class T>
  bool Alive(base::Done<T>& done);
  int64_t Delay() { return scheduler_.Random(faults_.least_us, faults_.most_us); }

  FakeKv& kv_;
  Scheduler& scheduler_;
  Faults faults_;
  bool cut_ = false;
  bool killed_ = false;
  Fate next_write_ = Fate::kNormal;
  int txns_ = 0;   // that would write
  int reads_ = 0;  // that only read
};

}  // namespace matricula::domain
