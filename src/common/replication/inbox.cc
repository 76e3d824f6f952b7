#include "common/replication/inbox.h"

#include <chrono>

#include "common/replication/queue_cost.h"

namespace matricula::replication {

using base::Code;
using base::MutexLock;
using base::Status;

namespace {

// What confirms that a leader leads, and reads that travel.
bool IsTalk(const raft::Message& message) {
  return std::holds_alternative<raft::Heartbeat>(message.body) ||
         std::holds_alternative<raft::HeartbeatReply>(message.body) ||
         std::holds_alternative<raft::ReadRequest>(message.body) ||
         std::holds_alternative<raft::ReadReply>(message.body);
}

}  // namespace

Status Inbox::AdmitCall(size_t bytes) {
  if (closed_) return {Code::kUnavailable, "this replica is stopping"};
  if (content_.proposals.size() + content_.reads.size() >= limits_.calls ||
      content_.call_bytes + bytes > limits_.call_bytes) {
    return {Code::kResourceExhausted, "too many calls are waiting"};
  }
  content_.call_bytes += bytes;
  return {};
}

void Inbox::AddProposal(std::string command, Driver::ProposalDone done) {
  Status refusal;
  {
    const MutexLock lock(mutex_);
    refusal = AdmitCall(command.size());
    if (refusal.ok()) {
      content_.proposals.push_back({std::move(command), std::move(done)});
      NoteWork();
      return;
    }
  }
  std::move(done)(std::move(refusal));
}

bool Inbox::AddRead(Driver::ReadDone done) {
  Status refusal;
  {
    const MutexLock lock(mutex_);
    refusal = AdmitCall(0);
    if (refusal.ok()) {
      content_.reads.push_back(std::move(done));
      return NoteTalk();
    }
  }
  std::move(done)(std::move(refusal));
  return false;
}

bool Inbox::AddMessage(raft::Message message) {
  const size_t bytes = QueueCost(message);
  const MutexLock lock(mutex_);
  if (quitting_ || content_.messages.size() >= limits_.messages ||
      content_.message_bytes + bytes > limits_.message_bytes) {
    return false;
  }
  const bool talk = IsTalk(message);
  content_.message_bytes += bytes;
  content_.messages.push_back(std::move(message));
  if (talk) return NoteTalk();
  NoteWork();
  return false;
}

bool Inbox::AddTask(Task task) {
  const MutexLock lock(mutex_);
  if (quitting_) return false;
  content_.tasks.push_back(std::move(task));
  NoteWork();
  return true;
}

void Inbox::NoteWork() {
  work_ = true;
  if (asleep_) changed_.NotifyOne();
}

bool Inbox::NoteTalk() {
  if (has_helper_ && asleep_ && !work_) return !std::exchange(called_, true);
  if (asleep_) changed_.NotifyOne();
  return false;
}

bool Inbox::HasSomething() const { return work_ || quitting_ || (!content_.empty() && !called_); }

void Inbox::Await(int64_t timeout_ns) {
  const MutexLock lock(mutex_);
  if (HasSomething() || timeout_ns <= 0) return;
  asleep_ = true;
  // Woken for nothing, the caller comes back with what is left of its time.
  changed_.WaitFor(mutex_, std::chrono::nanoseconds(timeout_ns));
  asleep_ = false;
}

Inbox::Content Inbox::Take() {
  const MutexLock lock(mutex_);
  work_ = false;
  called_ = false;
  return std::exchange(content_, {});
}

std::optional<Inbox::Content> Inbox::TakeTalk() {
  const MutexLock lock(mutex_);
  called_ = false;
  if (work_ || quitting_) return {};
  return std::exchange(content_, {});
}

void Inbox::Wake() {
  const MutexLock lock(mutex_);
  called_ = false;
  NoteWork();
}

void Inbox::Close() {
  const MutexLock lock(mutex_);
  closed_ = true;
}

void Inbox::Quit() {
  const MutexLock lock(mutex_);
  closed_ = true;
  quitting_ = true;
  changed_.NotifyOne();
}

bool Inbox::quitting() const {
  const MutexLock lock(mutex_);
  return quitting_;
}

}  // namespace matricula::replication
