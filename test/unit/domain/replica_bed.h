#pragma once

#include <memory>
#include <utility>

#include "bed.h"
#include "common/base/mutex.h"
#include "common/storage/memory_engine.h"
#include "common/store/replica_store.h"

namespace matricula::domain {

// On a real store, with its threads and the real time.
class RealTimeBed : public Bed {
 public:
  // `writer_id` 0: drawn from the system.
  RealTimeBed(std::unique_ptr<store::Store> store, uint64_t writer_id)
      : store_(std::move(store)),
        timer_(base::SystemClock()),
        server_(*store_, timer_, base::SystemClock(), writer_id) {}
  ~RealTimeBed() override { server_.transactor.Drain(); }

  Server& server() override { return server_; }

 protected:
  store::Store& store() override { return *store_; }
  void Answered(const std::function<void()>& change) override {
    base::MutexLock lock(mutex_);
    change();
    changed_.NotifyAll();
  }
  void WaitFor(const bool& answered) override {
    base::MutexLock lock(mutex_);
    while (!answered) changed_.Wait(mutex_);
  }

 private:
  std::unique_ptr<store::Store> store_;
  ThreadTimer timer_;
  Server server_;
  base::Mutex mutex_;
  base::CondVar changed_;
};

// The store in this process, in memory.
class ReplicaBed final : public RealTimeBed {
 public:
  ReplicaBed()
      : RealTimeBed(std::move(store::ReplicaStore::Open(storage::NewMemoryEngine(), {}).value()),
                    1) {}
};

}  // namespace matricula::domain
