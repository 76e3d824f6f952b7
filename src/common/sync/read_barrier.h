#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/done.h"
#include "common/base/mutex.h"
#include "common/domain/timer.h"
#include "common/store/store.h"

namespace matricula::sync {

// The read of one record that waits for its answer.
struct PendingRead {
  std::string key;
  base::Done<etcdserverpb::RangeResponse> done;
  int64_t last_change = 0;  // it must show at least this revision
  int64_t revision = 0;     // of the store when that was asked
  int64_t deadline_ms = 0;
};

// Asks the store for the revision of the last change of the domain (key `mudanca`), linearizably:
// one question for all reads that wait at a moment, since each of them needs no more than that the
// question was put after it came. There is one question under way at a time.
//
// A question costs three replicas far more than a read costs us. So the next one waits until three
// quarters of the reads that were here at the end of the last one are here again, for a
// millisecond at most: who is alone is not kept waiting, and a crowd shares few questions.
//
// Must be owned by a shared_ptr. Thread-safe.
class ReadBarrier final : public std::enable_shared_from_this<ReadBarrier> {
 public:
  // More reads than this are refused.
  static constexpr size_t kMaxReads = 20'000;

  // Told the answer with the reads that it is for; on a thread of the store.
  using OnAnswer = std::function<void(std::vector<PendingRead>& reads,
                                      const base::Result<etcdserverpb::RangeResponse>& answer)>;

  // Both must outlive it, and `on_answer` what it refers to.
  ReadBarrier(store::Store& store, domain::Timer& timer, OnAnswer on_answer)
      : store_(store), timer_(timer), on_answer_(std::move(on_answer)) {}

  void Add(PendingRead read);
  // From now on nobody waits for others.
  void Close();
  uint64_t questions() const;

 private:
  void Ask();
  void HandleAnswer(std::vector<PendingRead>& reads,
                    const base::Result<etcdserverpb::RangeResponse>& answer);
  bool ShouldAsk() REQUIRES(mutex_);
  void ScheduleFlush() REQUIRES(mutex_);
  void Flush();

  store::Store& store_;
  domain::Timer& timer_;
  const OnAnswer on_answer_;

  mutable base::Mutex mutex_;
  std::vector<PendingRead> arrived_ GUARDED_BY(mutex_);  // wait for the next question
  bool asking_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  bool flush_scheduled_ GUARDED_BY(mutex_) = false;
  size_t crowd_ GUARDED_BY(mutex_) = 0;  // reads that were here when the last answer came
  uint64_t questions_ GUARDED_BY(mutex_) = 0;
};

}  // namespace matricula::sync
