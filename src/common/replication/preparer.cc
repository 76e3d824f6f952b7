#include "common/replication/preparer.h"

#include <utility>

#include "common/base/ensure.h"

namespace matricula::replication {

using base::MutexLock;

Preparer::Preparer(Prepared prepared)
    : prepared_(std::move(prepared)), thread_([this] { Run(); }) {}

Preparer::~Preparer() {
  {
    const MutexLock lock(mutex_);
    quitting_ = true;
    changed_.NotifyOne();
  }
  thread_.join();
}

bool Preparer::busy() const {
  const MutexLock lock(mutex_);
  return busy_;
}

void Preparer::Prepare(std::shared_ptr<SnapshotSource> source) {
  const MutexLock lock(mutex_);
  ENSURE(!busy_, "one snapshot is prepared at a time");
  busy_ = true;
  source_ = std::move(source);
  changed_.NotifyOne();
}

void Preparer::Run() {
  while (true) {
    std::shared_ptr<SnapshotSource> source;
    {
      const MutexLock lock(mutex_);
      while (source_ == nullptr && !quitting_) changed_.Wait(mutex_);
      if (quitting_) return;
      source = std::exchange(source_, nullptr);
    }
    base::Status status = source->Prepare();
    {
      const MutexLock lock(mutex_);
      busy_ = false;
    }
    prepared_(std::move(source), std::move(status));
  }
}

}  // namespace matricula::replication
