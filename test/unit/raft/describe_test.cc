#include "common/raft/describe.h"

#include <catch2/catch.hpp>

#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {
namespace {

const Ticket kTicket{NodeId(1), 7, 2};
const SnapshotMeta kMeta{Index(9), Term(2), Conf({1, 2})};

std::string Text(Body body) {
  return Describe(Message{NodeId(1), NodeId(2), Term(3), std::move(body)});
}

}  // namespace

TEST_CASE("every message has one rendering") {
  CHECK(Text(PreVoteRequest{Index(4), Term(2)}) == "n1>n2 t3 pre-vote? log ends 4/t2");
  CHECK(Text(PreVoteReply{Term(4), true}) == "n1>n2 t3 pre-vote for t4 yes");
  CHECK(Text(VoteRequest{Index(4), Term(2), true}) == "n1>n2 t3 vote? log ends 4/t2 (transfer)");
  CHECK(Text(VoteReply{false}) == "n1>n2 t3 vote no");
  CHECK(Text(AppendRequest{
            Index(1), Term(1), Index(1), {{Index(2), Term(3), EntryType::kEmpty, {}}}}) ==
        "n1>n2 t3 append after 1/t1 commit 1: 2/t3 empty");
  CHECK(Text(AppendReply{true, Index(5), {}, {}, {}}) == "n1>n2 t3 taken up to 5");
  CHECK(Text(AppendReply{false, {}, Index(5), Index(2), Term(1)}) ==
        "n1>n2 t3 refused after 5, try 2/t1");
  CHECK(Text(Heartbeat{Index(2), 6}) == "n1>n2 t3 heartbeat round 6 commit 2");
  CHECK(Text(HeartbeatReply{6}) == "n1>n2 t3 heard round 6");
  CHECK(Text(SnapshotChunk{kTicket, kMeta, 3, 9, std::string("ab")}) ==
        "n1>n2 t3 snapshot n1.7.2 9/t2 {n1 n2} bytes 3+2 of 9");
  CHECK(Text(SnapshotChunkReply{kTicket, 5, false, false}) == "n1>n2 t3 snapshot n1.7.2 next 5");
  CHECK(Text(SnapshotChunkReply{kTicket, 0, true, false}) ==
        "n1>n2 t3 snapshot n1.7.2 next 0 (restart)");
  CHECK(Text(SnapshotChunkReply{kTicket, 0, false, true}) == "n1>n2 t3 snapshot n1.7.2 failed");
  CHECK(Text(TimeoutNow{}) == "n1>n2 t3 timeout now");
  CHECK(Text(ProposeRequest{kTicket, {Payload("a"), Payload("b")}}) ==
        "n1>n2 t3 propose n1.7.2: \"a\", \"b\"");
  CHECK(Text(ProposeReply{kTicket, true, Index(8)}) == "n1>n2 t3 proposal n1.7.2 appended from 8");
  CHECK(Text(ProposeReply{kTicket, false, {}}) == "n1>n2 t3 proposal n1.7.2 refused");
  CHECK(Text(ReadRequest{kTicket}) == "n1>n2 t3 read? n1.7.2");
  CHECK(Text(ReadReply{kTicket, true, Index(8)}) == "n1>n2 t3 read n1.7.2 confirmed at 8");
  CHECK(Text(ReadReply{kTicket, false, {}}) == "n1>n2 t3 read n1.7.2 given up");
  CHECK(Text(TermNotice{}) == "n1>n2 t3 your term is over");
}

TEST_CASE("payloads are shown shortened and printable") {
  const auto text = [](const std::string& bytes) {
    return Describe(Entry{Index(1), Term(1), EntryType::kCommand, bytes});
  };
  CHECK(text("plain") == "1/t1 \"plain\"");
  CHECK(text(std::string("\0\n\"\\\x7f\xff", 6)) == "1/t1 \"\\00\\0a\\22\\5c\\7f\\ff\"");
  CHECK(text(std::string(40, 'x')) == "1/t1 \"" + std::string(32, 'x') + "\"… (40 bytes)");
  CHECK(Describe(Entry{Index(1), Term(1), EntryType::kConf, {}}) == "1/t1 conf unreadable");
}

TEST_CASE("an output is shown in the order of carrying out") {
  Output output;
  output.early_messages = {{NodeId(1), NodeId(2), Term(3), TimeoutNow{}}};
  output.snapshot = kMeta;
  output.hard_state = HardState{Term(3), NodeId(2), Index(4)};
  output.entries = {{Index(10), Term(3), EntryType::kEmpty, {}}};
  output.late_messages = {{NodeId(1), NodeId(2), Term(3), VoteReply{true}}};
  output.committed = {{Index(10), Term(3), EntryType::kEmpty, {}}};
  output.reads = {{kTicket, true, Index(10)}};
  output.proposals = {{kTicket, true, Index(10), Term(3)}};
  output.snapshots_released = {kTicket};
  output.snapshots_wanted = {{NodeId(2), kTicket}};
  output.chunks_to_send = {{NodeId(2), Term(3), kTicket, kMeta, 0, 5, 9}};
  output.discard_staged = true;
  output.chunks_to_stage = {{kTicket, kMeta, 4, std::string("abc"), true}};
  output.standing = Standing{Role::kLeader, Term(3), NodeId(1), false};
  CHECK(Describe(output) ==
        "early n1>n2 t3 timeout now\n"
        "sync snapshot 9/t2 {n1 n2}\n"
        "sync t3 vote n2 commit 4\n"
        "sync entries 10/t3 empty\n"
        "late n1>n2 t3 vote yes\n"
        "apply 10/t3 empty\n"
        "read n1.7.2 confirmed at 10\n"
        "proposal n1.7.2 appended from 10 in t3\n"
        "snapshot released: n1.7.2\n"
        "snapshot wanted for n2 as n1.7.2\n"
        "chunk for n2 of n1.7.2 bytes 0+5 of 9\n"
        "discard staged\n"
        "stage n1.7.2 bytes 4+3 (last)\n"
        "now leader t3 leader n1 (no member)\n");
}

TEST_CASE("outcomes have names") {
  CHECK(Describe(Proposed{ProposeOutcome::kAppended, Term(2), Index(5), {}, {}}) ==
        "appended at 5/t2");
  CHECK(Describe(Proposed{ProposeOutcome::kForwarded, Term(2), {}, kTicket, {}}) ==
        "forwarded as n1.7.2 in t2");
  CHECK(Describe(Proposed{ProposeOutcome::kInvalidChange, {}, {}, {}, "why"}) ==
        "invalid change: why");
  CHECK(Describe(ProposeOutcome::kTooLarge) == "too large");
  CHECK(Describe(TransferOutcome::kNotVoter) == "not a voter");
  CHECK(Describe(Role::kPreCandidate) == "pre-candidate");
  CHECK(Describe(PeerProgress{NodeId(2), PeerProgress::State::kSnapshot, Index(4), false, true}) ==
        "n2 snapshot match 4 silent learner");
}

}  // namespace matricula::raft::testing
