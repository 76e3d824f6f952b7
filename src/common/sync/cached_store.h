#pragma once

#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "common/domain/timer.h"
#include "common/mqtt/client.h"
#include "common/store/store.h"

namespace matricula::sync {

struct CacheStats {
  uint64_t hits = 0;       // answered from memory
  uint64_t waits = 0;      // of these, after waiting for the bus to catch up
  uint64_t misses = 0;     // not in memory
  uint64_t fallbacks = 0;  // in memory, but the bus was late or away
  uint64_t questions = 0;  // questions to the store for the last change
  uint64_t gaps = 0;       // holes in what the bus told, each mended by a watch
  uint64_t evictions = 0;  // records that left for want of room
  uint64_t keys = 0;
  uint64_t bytes = 0;
  mqtt::ClientStats bus;
};

// A store elsewhere, with its records (aluno/…, professor/…, disciplina/…) kept in this process and
// linearizable all the same: a read first gets the revision of the last change of the domain (key
// `mudanca`, one linearizable question shared by all reads that wait at that moment) and is
// answered from memory only if memory is known to hold at that revision. What changed is told by
// the relay over the bus; a hole in it is mended by a watch. The bus may lose, repeat or reorder
// anything: it costs speed, never truth. (Who can forge the relay's properties can defeat this: the
// broker's access list must keep strangers from them.)
//
// Everything but reads of single records goes straight to the store.
class CachedStore final : public store::Store {
 public:
  struct Options {
    mqtt::ClientOptions mqtt;  // the subscription is added here
    size_t max_keys = 200'000;
    size_t max_bytes = 64 << 20;
    // Longest that a read waits for the bus; then it asks the store.
    int64_t max_wait_ms = 30;
  };

  // The others must outlive it. `store` must answer everything before it may be destroyed.
  CachedStore(store::Store& store, domain::Timer& timer, const base::Clock& clock, Options options);
  ~CachedStore() override;

  void Start();
  CacheStats Stats() const;

  void Range(const etcdserverpb::RangeRequest& request,
             base::Done<etcdserverpb::RangeResponse> done) override;
  void Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) override;
  std::unique_ptr<store::Watch> OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                          store::WatchSink* sink) override;
  void LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                  base::Done<etcdserverpb::LeaseGrantResponse> done) override;
  void LeaseKeepAlive(int64_t lease_id,
                      base::Done<etcdserverpb::LeaseKeepAliveResponse> done) override;

 private:
  class Impl;
  store::Store& store_;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace matricula::sync
