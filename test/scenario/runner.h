#pragma once

#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {

// Runs one story: a text of comments (# …) and blocks. A block is one or more commands, a line of
// four dashes, and what the commands print, up to an empty line.
//
//   nodes N [pre-vote=off] [check-quorum=off] [election=T] [chunk=BYTES] [chunks=N] [margin=N]
//           [inflight=N] [uncommitted=BYTES] [append=BYTES]   nodes 1 to N, voters of one group
//   add ID                    a node that knows of no group
//   campaign ID               it stands for election, as if its time-out had passed
//   elect ID                  time passes for the others and it stands, until it leads
//   tick ID [N]               time passes there, and what comes of it is carried out
//   tick-all [N]              … everywhere, with `settle` after each tick
//   propose ID TEXT [| TEXT] …     between two outputs;  read ID;  transfer ID TARGET
//   conf ID [+V] [~L] [-R] … [joint|explicit]    voter, learner, remove;  conf ID leave
//   deliver [A>B]             what is on the wire now (from A to B), once;  one A>B: only the first
//   together [A>B]            the same, without an output in between
//   drop [A>B]                it is lost;  copy [A>B]: it will arrive twice
//   settle                    carry out and deliver until nothing moves
//   cut A B | cut-one-way A B | isolate A | heal
//   hold-disk ID | release-disk ID     writes wait;
//   crash ID [KEPT]           loses those that wait but KEPT;  restart ID | flush ID | compact ID
//   unreachable ID PEER | gone ID PEER
//   hold-snapshots ID | make-snapshots ID | spoil-snapshots ID | good-snapshots ID
//   status [ID …] | log ID | state ID | wire
//
// A command with a leading `-` is carried out without printing.
class Story {
 public:
  // What the commands of one block print.
  std::string Run(const std::string& commands);

 private:
  using Arguments = std::istringstream;
  using Handler = void (Story::*)(Arguments&);
  static const std::map<std::string, Handler>& Handlers();

  void Nodes(Arguments& in);
  void Add(Arguments& in);
  void Campaign(Arguments& in);
  void Elect(Arguments& in);
  void Tick(Arguments& in);
  void TickAll(Arguments& in);
  void Propose(Arguments& in);
  void Read(Arguments& in);
  void Conf(Arguments& in);
  void Transfer(Arguments& in);
  void Deliver(Arguments& in);
  void DeliverFirst(Arguments& in);
  void Together(Arguments& in);
  void Copy(Arguments& in);
  void Drop(Arguments& in);
  void Settle(Arguments& in);
  void Cut(Arguments& in);
  void CutOneWay(Arguments& in);
  void Isolate(Arguments& in);
  void Heal(Arguments& in);
  void HoldDisk(Arguments& in);
  void ReleaseDisk(Arguments& in);
  void Crash(Arguments& in);
  void Restart(Arguments& in);
  void Flush(Arguments& in);
  void Compact(Arguments& in);
  void Unreachable(Arguments& in);
  void Gone(Arguments& in);
  void HoldSnapshots(Arguments& in);
  void MakeSnapshots(Arguments& in);
  void SpoilSnapshots(Arguments& in);
  void GoodSnapshots(Arguments& in);
  void Status(Arguments& in);
  void Log(Arguments& in);
  void State(Arguments& in);
  void Wire(Arguments& in);

  TestNode& Node(Arguments& in);
  // Those on the wire that an argument "A>B" means, or all; they leave the wire.
  std::deque<Message> TakeFromWire(Arguments& in);
  void Hand(Message message);
  // Carries out everything, and prints what each node did.
  void Collect();
  void Print(const std::string& lines, const std::string& prefix = "");

  std::unique_ptr<Cluster> cluster_;
  std::string out_;
  bool quiet_ = false;
};

}  // namespace matricula::raft::testing
