#include "common/replication/inbox.h"

#include <chrono>

#include "common/replication/queue_cost.h"

namespace matricula::replication {

using base::Code;
using base::MutexLock;
using base::Status;

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
      changed_.NotifyOne();
      return;
    }
  }
  std::move(done)(std::move(refusal));
}

void Inbox::AddRead(Driver::ReadDone done) {
  Status refusal;
  {
    const MutexLock lock(mutex_);
    refusal = AdmitCall(0);
    if (refusal.ok()) {
      content_.reads.push_back(std::move(done));
      changed_.NotifyOne();
      return;
    }
  }
  std::move(done)(std::move(refusal));
}

void Inbox::AddMessage(raft::Message message) {
  const size_t bytes = QueueCost(message);
  const MutexLock lock(mutex_);
  if (quitting_ || content_.messages.size() >= limits_.messages ||
      content_.message_bytes + bytes > limits_.message_bytes) {
    return;
  }
  content_.message_bytes += bytes;
  content_.messages.push_back(std::move(message));
  changed_.NotifyOne();
}

bool Inbox::AddTask(Task task) {
  const MutexLock lock(mutex_);
  if (quitting_) return false;
  content_.tasks.push_back(std::move(task));
  changed_.NotifyOne();
  return true;
}

Inbox::Content Inbox::Take(int64_t timeout_ns) {
  const MutexLock lock(mutex_);
  // Woken for nothing, the caller comes back with what is left of its time.
  if (content_.empty() && !quitting_ && timeout_ns > 0) {
    changed_.WaitFor(mutex_, std::chrono::nanoseconds(timeout_ns));
  }
  return std::exchange(content_, {});
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
