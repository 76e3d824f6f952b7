#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/replication/driver.h"
#include "common/replication/inbox.h"
#include "common/replication/ports.h"
#include "common/replication/preparer.h"

namespace matricula::replication {

// A driver on a thread of its own: one member of the group. Everything may be called from any
// thread, and nothing waits: calls are queued, the thread takes all that is waiting as one batch,
// and what arrives during its sync becomes the next one. Answers are given on that thread (on the
// caller's if the queue is full) and must not block it.
//
// A thread that sleeps is not woken for talk (inbox.h) if the options name a helper: that one turns
// the crank instead, and gives the answers to reads. What turns out to need disk or state machine
// after all is left to the thread.
class Node {
 public:
  struct Options {
    Driver::Options driver;
    int tick_ms = 100;
    // What may wait in the queue; more proposals and reads are refused (ResourceExhausted),
    // more messages dropped.
    size_t max_queued_calls = 50'000;
    size_t max_queued_call_bytes = size_t{64} << 20;
    size_t max_queued_messages = 4'096;
    size_t max_queued_message_bytes = size_t{64} << 20;
    // Runs the task soon, one after the other, on a thread that is awake anyway, as rpc::Loop::Run;
    // may drop it at the end. Empty: there is no such thread.
    using Task = absl::AnyInvocable<void() &&>;
    std::function<void(Task)> helper;
    // The log, the state machine or the disk under them has failed: nothing more is acknowledged.
    // Called once, on the node's thread; whoever is told should end the process.
    std::function<void(const base::Status&)> on_fatal;
  };

  // What a passer-by may know, as of the last batch.
  struct Summary {
    raft::Standing standing;
    raft::Index first;
    raft::Index last;
    raft::Index commit;
    raft::Index applied;
    size_t waiting = 0;  // proposals under way
    Driver::Counts counts;
    base::Status failure;  // ok until the driver fails
  };
  struct Details {
    Summary summary;
    raft::ConfState conf;
    std::vector<raft::PeerProgress> peers;  // on a leader
  };

  // Errors as Driver::Open. The ports and the clock must outlive the node.
  static base::Result<std::unique_ptr<Node>> Start(Options options, LogStore& log,
                                                   Transport& transport,
                                                   StateMachine& state_machine,
                                                   const base::Clock& clock);
  // Stops without ceremony if Stop has not been called.
  ~Node();

  // As in Driver; Unavailable also once the node is stopping.
  void Propose(std::string command, Driver::ProposalDone done);
  void Read(Driver::ReadDone done);
  void ChangeMembers(raft::ConfChange change, Driver::ProposalDone done);
  // Done when `target` leads. FailedPrecondition: this node does not lead, or `target` cannot.
  // DeadlineExceeded: it did not come to that within two election time-outs.
  void TransferLeadership(raft::NodeId target, base::Done<raft::Term> done);
  void Describe(base::Done<Details> done);

  // From the network.
  void Receive(raft::Message message);
  void PeerUnreachable(raft::NodeId peer);
  void PeerGone(raft::NodeId peer);

  Summary summary() const;

  // Lets a leader hand over, for at most `patience_ms`, then ends the thread. Whoever still waits
  // is answered. Not to be called from the node's own thread.
  void Stop(int64_t patience_ms);

 private:
  struct Transfer {
    raft::NodeId target;
    int ticks_left;
    base::Done<raft::Term> done;
  };

  enum class HandOverState { kNotAsked, kNobodyThere, kStarted };

  Node(Options options, std::unique_ptr<Driver> driver, const base::Clock& clock);

  // The right to turn the driver's crank. Outlives the node, because a helper may come late.
  struct Crank {
    base::Mutex mutex;
    Node* node GUARDED_BY(mutex) = nullptr;
  };

  void Run();
  bool Turn();
  void End();
  void CallHelper();
  void Talk();
  void Feed(Inbox::Content content);
  void TickIfDue();
  int64_t UntilNextTick() const;
  void Publish();
  void SettleTransfers();
  void HandOver();
  void WaitForHandOver(int64_t patience_ms);
  Summary Summarize() const;

  const Options options_;
  const base::Clock& clock_;
  Inbox inbox_;

  const std::shared_ptr<Crank> crank_ = std::make_shared<Crank>();
  // Of whoever holds the crank.
  std::unique_ptr<Driver> driver_;
  bool unfinished_ = false;  // the driver has begun what the thread must finish

  // The node's thread's own.
  Preparer preparer_;
  int64_t next_tick_ns_;
  bool told_fatal_ = false;
  std::vector<Transfer> transfers_;

  mutable base::Mutex mutex_;
  base::CondVar published_;
  Summary summary_ GUARDED_BY(mutex_);
  HandOverState hand_over_ GUARDED_BY(mutex_) = HandOverState::kNotAsked;
  std::thread thread_;
};

}  // namespace matricula::replication
