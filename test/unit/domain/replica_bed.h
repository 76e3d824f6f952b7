#pragma once

#include <memory>
#include <utility>

#include "bed.h"
#include "common/base/mutex.h"
#include "common/storage/memory_engine.h"
#include "common/store/replica_store.h"

namespace matricula::domain {

// On the real store, in memory, with its threads and the real time.
class ReplicaBed final : public Bed {
 public:
  ReplicaBed()
      : replica_(std::move(store::ReplicaStore::Open(storage::NewMemoryEngine(), {}).value())),
        timer_(base::SystemClock()),
        server_(*replica_, timer_, base::SystemClock(), 1) {}
  ~ReplicaBed() override { server_.transactor.Drain(); }

  Server& server() override { return server_; }

 protected:
  store::Store& store() override { return *replica_; }
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
  std::unique_ptr<store::ReplicaStore> replica_;
  ThreadTimer timer_;
  Server server_;
  base::Mutex mutex_;
  base::CondVar changed_;
};

}  // namespace matricula::domain
