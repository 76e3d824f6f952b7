#pragma once

#include <absl/functional/any_invocable.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/replication/driver.h"

namespace matricula::replication {

// What other threads have for the node's thread: bounded where it comes from outside.
//
// Most of it is work: it ends in the log or the state machine, and wakes the thread. Reads, and the
// messages that confirm them, are talk: small steps that whoever brings them could do as well.
// While the thread is awake it takes both. While it sleeps, a helper is called for talk, if there
// is one: to wake a thread costs more than all that it would do.
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

  Inbox(const Limits& limits, bool has_helper) : limits_(limits), has_helper_(has_helper) {}

  // What does not fit, or comes after Close, is answered at once on the caller's thread.
  void AddProposal(std::string command, Driver::ProposalDone done);
  // True: the caller must call the helper, who comes soon and calls TakeTalk.
  [[nodiscard]] bool AddRead(Driver::ReadDone done);
  // Dropped if there is no room. As AddRead.
  [[nodiscard]] bool AddMessage(raft::Message message);
  // A piece of the node's own work: always taken, until the thread is gone. False then.
  [[nodiscard]] bool AddTask(Task task);

  // The thread's: waits until there is something that no helper comes for, the timeout is over, or
  // Quit was called.
  void Await(int64_t timeout_ns);
  Content Take();
  // The helper's: nothing if there is work, too; then the thread comes.
  std::optional<Content> TakeTalk();
  // The thread is to come.
  void Wake();

  // Proposals and reads are refused from now on.
  void Close();
  // The thread is to end; nothing is taken any more.
  void Quit();
  bool quitting() const;

 private:
  base::Status AdmitCall(size_t bytes) REQUIRES(mutex_);
  void NoteWork() REQUIRES(mutex_);
  bool NoteTalk() REQUIRES(mutex_);
  bool HasSomething() const REQUIRES(mutex_);

  const Limits limits_;
  const bool has_helper_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  Content content_ GUARDED_BY(mutex_);
  bool work_ GUARDED_BY(mutex_) = false;    // in the content, or the thread is to come anyway
  bool asleep_ GUARDED_BY(mutex_) = false;  // the thread, in Await
  bool called_ GUARDED_BY(mutex_) = false;  // the helper, who has not come yet
  bool closed_ GUARDED_BY(mutex_) = false;
  bool quitting_ GUARDED_BY(mutex_) = false;
};

}  // namespace matricula::replication
