#pragma once

#include <absl/functional/any_invocable.h>

#include <any>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/replication/driver.h"
#include "common/replication/ports.h"

namespace matricula::replication {

// A driver on a thread of its own: one member of the group. Everything may be called from any
// thread, and nothing waits: calls are queued, the thread takes all that is waiting as one batch,
// and what arrives during its sync becomes the next one. Answers are given on that thread and must
// not block it.
class Node {
 public:
  struct Options {
    Driver::Options driver;
    int tick_ms = 100;
    // What may wait in the queue; more proposals and reads are refused (ResourceExhausted),
    // more messages dropped.
    size_t max_queued_calls = 50'000;
    size_t max_queued_bytes = size_t{64} << 20;
    size_t max_queued_messages = 4'096;
    size_t max_queued_message_bytes = size_t{64} << 20;
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
    base::Status status;  // not ok once the driver has failed
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

  Summary summary() const;

  // Lets a leader hand over, for at most `patience_ms`, then ends the thread. Whoever still waits
  // is answered. Not to be called from the node's own thread.
  void Stop(int64_t patience_ms);

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace matricula::replication
