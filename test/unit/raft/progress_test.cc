#include "common/raft/progress.h"

#include <catch2/catch.hpp>

namespace matricula::raft::testing {
namespace {

Progress Make(uint64_t match, uint64_t next, int messages = 3, size_t bytes = 1000) {
  return {Index(match), Index(next), Inflight(messages, bytes)};
}

}  // namespace

TEST_CASE("the window counts messages and bytes") {
  Inflight window(3, 100);
  CHECK(window.Empty());
  window.Add(Index(1), 10);
  window.Add(Index(2), 10);
  CHECK_FALSE(window.Full());
  CHECK(window.FreeBytes() == 80);
  window.Add(Index(5), 10);
  CHECK(window.Full());
  window.FreeUpTo(Index(4));
  CHECK_FALSE(window.Full());
  CHECK(window.FreeBytes() == 90);
  window.Add(Index(6), 200);  // one too large may go
  CHECK(window.Full());
  CHECK(window.FreeBytes() == 0);
  window.Clear();
  CHECK(window.Empty());
  CHECK(window.FreeBytes() == 100);
}

TEST_CASE("probe: one append, then wait for an answer or a heartbeat's") {
  Progress peer = Make(0, 5);
  CHECK(peer.state() == Progress::State::kProbe);
  CHECK(peer.CanSend());
  CHECK(peer.MustSend(Index(0)));
  CHECK(peer.Room() == SIZE_MAX);
  peer.OnSent(Index(6), 100, Index(3));
  CHECK_FALSE(peer.CanSend());
  CHECK(peer.next() == Index(5));  // nothing is taken for granted
  peer.OnHeartbeatReply(Index(6));
  CHECK(peer.CanSend());
  CHECK(peer.MustSend(Index(0)));
}

TEST_CASE("probe: a refusal moves back, an answer to something else does not") {
  Progress peer = Make(2, 9);
  peer.OnSent(Index(8), 0, Index(0));
  CHECK_FALSE(peer.OnRefused(Index(7), Index(1)));
  CHECK_FALSE(peer.CanSend());
  CHECK(peer.OnRefused(Index(8), Index(5)));
  CHECK(peer.next() == Index(6));
  CHECK(peer.CanSend());
  CHECK(peer.OnRefused(Index(5), Index(0)));
  CHECK(peer.next() == Index(3));  // never behind what is known to be there
  CHECK_FALSE(peer.OnRefused(Index(2), Index(0)));
}

TEST_CASE("replicate: appends follow one another until the window is full") {
  Progress peer = Make(4, 5);
  CHECK_FALSE(peer.OnTaken(Index(4)));
  peer.BecomeReplicate();
  peer.OnSent(Index(4), 0, Index(4));  // the nudge of the beginning
  for (uint64_t last = 5; last <= 7; ++last) {
    CHECK(peer.CanSend());
    peer.OnSent(Index(last), 100, Index(4));
  }
  CHECK(peer.next() == Index(8));
  CHECK_FALSE(peer.CanSend());
  CHECK(peer.Room() == 0);
  CHECK(peer.OnTaken(Index(6)));
  CHECK(peer.CanSend());
  CHECK(peer.Room() == 900);
  CHECK_FALSE(peer.OnTaken(Index(5)));  // an old one
  CHECK(peer.match() == Index(6));
}

TEST_CASE("replicate: a new commit index is a reason to send, once") {
  Progress peer = Make(4, 5);
  peer.BecomeReplicate();
  peer.OnSent(Index(4), 0, Index(2));
  CHECK_FALSE(peer.MustSend(Index(2)));
  CHECK(peer.MustSend(Index(3)));
  peer.OnSent(Index(4), 0, Index(3));
  CHECK_FALSE(peer.MustSend(Index(3)));
  // What the peer cannot know to have it cannot commit.
  CHECK(peer.MustSend(Index(9)));
  peer.OnSent(Index(4), 0, Index(9));
  CHECK_FALSE(peer.MustSend(Index(9)));
}

TEST_CASE("replicate: a refusal means loss, and goes back to probing") {
  Progress peer = Make(4, 5);
  peer.BecomeReplicate();
  peer.OnSent(Index(8), 100, Index(0));
  peer.OnSent(Index(9), 100, Index(0));
  CHECK_FALSE(peer.OnRefused(Index(4), Index(4)));  // from before
  CHECK(peer.OnRefused(Index(8), Index(6)));
  CHECK(peer.state() == Progress::State::kProbe);
  CHECK(peer.next() == Index(7));
}

TEST_CASE("replicate: two answered heartbeats without an acknowledgement ask where the log ends") {
  Progress peer = Make(4, 5, 1);
  peer.BecomeReplicate();
  peer.OnSent(Index(4), 0, Index(4));
  peer.OnSent(Index(6), 100, Index(4));
  CHECK_FALSE(peer.CanSend());
  peer.OnHeartbeatReply(Index(6));
  CHECK_FALSE(peer.CanSend());
  peer.OnHeartbeatReply(Index(6));
  CHECK(peer.CanSend());  // although the window is full: an append without entries
  CHECK(peer.Room() == 0);
  peer.OnSent(Index(6), 0, Index(4));
  CHECK_FALSE(peer.CanSend());
  // An acknowledgement in between: only late.
  peer.OnTaken(Index(5));
  peer.OnHeartbeatReply(Index(6));
  peer.OnSent(Index(6), 0, Index(4));
  CHECK_FALSE(peer.MustSend(Index(4)));
}

TEST_CASE("replicate: an unreachable peer is probed when it is heard of again") {
  Progress peer = Make(4, 5);
  peer.BecomeReplicate();
  peer.OnSent(Index(8), 100, Index(0));
  peer.OnUnreachable();
  CHECK(peer.state() == Progress::State::kProbe);
  CHECK(peer.next() == Index(5));
  CHECK_FALSE(peer.CanSend());
  peer.OnHeartbeatReply(Index(8));
  CHECK(peer.CanSend());
}

TEST_CASE("snapshot: no appends until it is there") {
  Progress peer = Make(0, 1);
  const Ticket ticket{NodeId(1), 1, 7};
  peer.BecomeSnapshot(ticket, Index(3));
  CHECK(peer.snapshot_floor() == Index(3));
  peer.sender.emplace(ticket, SnapshotMeta{Index(9), Term(1), {}}, 100, 10, 1);
  CHECK(peer.transfer() == ticket);
  CHECK(peer.snapshot_floor() == Index(9));
  CHECK_FALSE(peer.CanSend());
  peer.OnHeartbeatReply(Index(20));
  CHECK_FALSE(peer.CanSend());
  CHECK_FALSE(peer.OnRefused(Index(3), Index(0)));
  peer.OnTaken(Index(9));
  peer.BecomeReplicate();
  CHECK_FALSE(peer.sender.has_value());
  CHECK(peer.next() == Index(10));
  CHECK(peer.CanSend());
}

}  // namespace matricula::raft::testing
