#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/replication/ports.h"

namespace matricula::replication {

// Does the slow part of making a snapshot on a thread of its own, so that nobody's writes wait.
class Preparer {
 public:
  using Prepared = std::function<void(std::shared_ptr<SnapshotSource>, base::Status)>;

  // `prepared` is called on the preparer's thread.
  explicit Preparer(Prepared prepared);
  ~Preparer();

  bool busy() const;
  // Only when not busy.
  void Prepare(std::shared_ptr<SnapshotSource> source);

 private:
  void Run();

  const Prepared prepared_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::shared_ptr<SnapshotSource> source_ GUARDED_BY(mutex_);
  bool busy_ GUARDED_BY(mutex_) = false;
  bool quitting_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace matricula::replication
