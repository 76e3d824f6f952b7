#pragma once

#include <absl/functional/any_invocable.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/replication/driver.h"

namespace matricula::replication {

// What other threads have for the node's thread: bounded where it comes from outside.
class Inbox {
 public:
  struct Limits {
    size_t calls;
    size_t call_bytes;
    size_t messages;
    size_t message_bytes;
  };
  struct Proposal {
    std::string command;
    Driver::ProposalDone done;
  };
  using Task = absl::AnyInvocable<void(Driver&) &&>;
  struct Content {
    std::vector<raft::Message> messages;
    std::vector<Proposal> proposals;
    std::vector<Driver::ReadDone> reads;
    std::vector<Task> tasks;
    size_t call_bytes = 0;
    size_t message_bytes = 0;

    bool empty() const {
      return messages.empty() && proposals.empty() && reads.empty() && tasks.empty();
    }
  };

  explicit Inbox(const Limits& limits) : limits_(limits) {}

  // What does not fit, or comes after Close, is answered at once on the caller's thread.
  void AddProposal(std::string command, Driver::ProposalDone done);
  void AddRead(Driver::ReadDone done);
  // Dropped if there is no room.
  void AddMessage(raft::Message message);
  // A piece of the node's own work: always taken, until the thread is gone. False then.
  [[nodiscard]] bool AddTask(Task task);

  // Waits until there is something, the timeout is over, or Quit was called.
  Content Take(int64_t timeout_ns);

  // Proposals and reads are refused from now on.
  void Close();
  // The thread is to end; nothing is taken any more.
  void Quit();
  bool quitting() const;

 private:
  base::Status AdmitCall(size_t bytes) REQUIRES(mutex_);

  const Limits limits_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  Content content_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool quitting_ GUARDED_BY(mutex_) = false;
};

}  // namespace matricula::replication
