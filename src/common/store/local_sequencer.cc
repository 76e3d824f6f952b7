#include "common/store/local_sequencer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/base/heartbeat.h"
#include "common/base/work_times.h"
#include "common/kv/errors.h"

namespace matricula::store {

using base::Code;
using base::MutexLock;
using base::Status;

LocalSequencer::LocalSequencer(kv::Mvcc& mvcc, kv::Lessor& lessor, const base::Clock& clock,
                               FatalHandler on_fatal)
    : mvcc_(mvcc),
      lessor_(lessor),
      clock_(clock),
      on_fatal_(std::move(on_fatal)),
      applier_(mvcc, lessor),
      next_index_(mvcc.applied_index() + 1),
      thread_([this] { Run(); }) {}

LocalSequencer::~LocalSequencer() { Stop(); }

void LocalSequencer::Propose(kv::Command command, Completion completion) {
  Waiting waiting{std::move(command), std::move(completion), 0};
  waiting.bytes = waiting.command.ByteSizeLong();
  proposed_.Add();
  Status refused;
  {
    const MutexLock lock(mutex_);
    if (stopping_) {
      refused = kv::errors::Stopped();
    } else if (waiting_.size() >= kMaxWaitingCommands ||
               waiting_bytes_ + waiting.bytes > kMaxWaitingBytes) {
      refused = kv::errors::TooManyRequests();
    } else {
      waiting_bytes_ += waiting.bytes;
      waiting_.push_back(std::move(waiting));
      work_.NotifyOne();
      return;
    }
  }
  failed_.Add();
  std::move(waiting.completion)(kv::Outcome{refused, {}});
}

SequencerStats LocalSequencer::stats() const {
  SequencerStats stats;
  stats.proposed = proposed_.Get();
  stats.failed = failed_.Get();
  const MutexLock lock(mutex_);
  stats.pending = waiting_.size();
  return stats;
}

void LocalSequencer::Stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    work_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

// ---- on the thread ----

void LocalSequencer::Run() {
  const base::Heartbeat heartbeat("apply");
  Group group;
  while (TakeGroup(group)) {
    base::Heartbeat::Beat();
    if (!group.empty()) base::work_times::NoteTaken();
    AddDueLeases(group);
    if (!group.empty()) ApplyGroup(group);
    group.clear();
    CleanUp();
  }
  // Compacted they are; only the deleting goes on another time.
  for (auto& [completion, outcome] : awaiting_clean_up_) std::move(completion)(std::move(outcome));
}

bool LocalSequencer::TakeGroup(Group& group) {
  const MutexLock lock(mutex_);
  WaitForWork();
  size_t bytes = 0;
  while (!waiting_.empty() && group.size() < kMaxGroupCommands) {
    Waiting& next = waiting_.front();
    if (!group.empty() && bytes + next.bytes > kMaxGroupBytes) break;
    bytes += next.bytes;
    group.push_back(std::move(next));
    waiting_.pop_front();
  }
  waiting_bytes_ -= bytes;
  return !group.empty() || !stopping_;
}

// Until a command waits, a lease is due, or there is something to clean up.
void LocalSequencer::WaitForWork() {
  while (waiting_.empty() && !stopping_ && !mvcc_.NeedsCleanUp()) {
    base::Heartbeat::Beat();
    std::chrono::nanoseconds left = std::chrono::milliseconds(base::Heartbeat::kIntervalMs);
    if (const auto due_ns = lessor_.NextDueNs()) {
      left = std::min(left, std::chrono::nanoseconds(*due_ns - clock_.MonotonicNs()));
    }
    if (left.count() <= 0) return;
    work_.WaitFor(mutex_, left);
  }
}

void LocalSequencer::AddDueLeases(Group& group) {
  for (const int64_t lease : lessor_.TakeDue()) {
    Waiting& revocation = group.emplace_back();
    revocation.command.mutable_lease_revoke()->set_id(lease);
    revocation.completion = [](const kv::Outcome&) {};
  }
}

void LocalSequencer::ApplyGroup(Group& group) {
  std::vector<kv::LogCommand> entries;
  entries.reserve(group.size());
  for (const Waiting& waiting : group) entries.push_back({next_index_++, &waiting.command});
  auto outcomes = [&] {
    const base::work_times::Applying applying;
    const base::Stopwatch stopwatch(clock_, apply_times_);
    return applier_.Apply(entries, storage::Durability::kSynced);
  }();
  if (!outcomes.ok()) return Fail(outcomes.status(), group);
  for (size_t i = 0; i < group.size(); ++i) Complete(group[i], std::move((*outcomes)[i]));
}

void LocalSequencer::Complete(Waiting& waiting, kv::Outcome outcome) {
  if (outcome.status.ok() && waiting.command.compaction().physical()) {
    awaiting_clean_up_.emplace_back(std::move(waiting.completion), std::move(outcome));
  } else {
    std::move(waiting.completion)(std::move(outcome));
  }
}

void LocalSequencer::CleanUp() {
  if (Status status = mvcc_.CleanUp(); !status.ok()) {
    Group none;
    return Fail(status, none);
  }
  if (mvcc_.NeedsCleanUp()) return;
  for (auto& [completion, outcome] : awaiting_clean_up_) std::move(completion)(std::move(outcome));
  awaiting_clean_up_.clear();
}

// What was being written may or may not be on disk; what still waits is refused.
void LocalSequencer::Fail(const Status& status, Group& group) {
  on_fatal_(status);
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    for (Waiting& waiting : waiting_) group.push_back(std::move(waiting));
    waiting_.clear();
  }
  for (Waiting& waiting : group) {
    std::move(waiting.completion)(kv::Outcome{{Code::kOutcomeUnknown, "the disk failed"}, {}});
  }
}

}  // namespace matricula::store
