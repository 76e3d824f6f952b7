#include "common/sync/read_barrier.h"

#include <utility>

#include "common/domain/keys.h"

namespace matricula::sync {
namespace {

using base::Result;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;

// Longest that a read waits for others to share its question.
constexpr int64_t kFlushMs = 1;

}  // namespace

void ReadBarrier::Add(PendingRead read) {
  bool ask = false;
  bool refuse = false;
  {
    const base::MutexLock lock(mutex_);
    refuse = arrived_.size() >= kMaxReads;
    if (!refuse) {
      arrived_.push_back(std::move(read));
      ask = ShouldAsk();
    }
  }
  if (refuse) {
    // NOLINTNEXTLINE(bugprone-use-after-move): it is only moved among the others if it is let in
    std::move(read.done)(
        base::Status(base::Code::kResourceExhausted, "too many reads wait for the store"));
  }
  if (ask) Ask();
}

// True if the caller must put the question now.
bool ReadBarrier::ShouldAsk() {
  if (asking_ || arrived_.empty()) return false;
  if (!closed_ && arrived_.size() < crowd_ * 3 / 4) {
    ScheduleFlush();
    return false;
  }
  return asking_ = true;
}

void ReadBarrier::ScheduleFlush() {
  if (std::exchange(flush_scheduled_, true)) return;
  timer_.After(kFlushMs, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Flush();
  });
}

void ReadBarrier::Flush() {
  {
    const base::MutexLock lock(mutex_);
    flush_scheduled_ = false;
    if (asking_ || arrived_.empty()) return;
    asking_ = true;
  }
  Ask();
}

void ReadBarrier::Ask() {
  auto reads = std::make_shared<std::vector<PendingRead>>();
  {
    const base::MutexLock lock(mutex_);
    reads->swap(arrived_);
    arrived_.reserve(reads->size());
    ++questions_;
  }
  RangeRequest request;
  request.set_key(std::string(domain::kMudancaKey));
  request.set_keys_only(true);
  store_.Range(request, [self = shared_from_this(), reads](const Result<RangeResponse>& answer) {
    self->HandleAnswer(*reads, answer);
  });
}

void ReadBarrier::HandleAnswer(std::vector<PendingRead>& reads,
                               const Result<RangeResponse>& answer) {
  bool again = false;
  {
    const base::MutexLock lock(mutex_);
    asking_ = false;
    crowd_ = reads.size() + arrived_.size();
    again = ShouldAsk();
  }
  // The next question first: its way to the store and back overlaps with our answering.
  if (again) Ask();
  on_answer_(reads, answer);
}

void ReadBarrier::Close() {
  bool ask = false;
  {
    const base::MutexLock lock(mutex_);
    closed_ = true;
    ask = ShouldAsk();
  }
  if (ask) Ask();
}

uint64_t ReadBarrier::questions() const {
  const base::MutexLock lock(mutex_);
  return questions_;
}

}  // namespace matricula::sync
