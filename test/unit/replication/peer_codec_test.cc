#include "common/replication/peer_codec.h"

#include <catch2/catch.hpp>

#include "common/raft/describe.h"

namespace matricula::replication {
namespace {

using raft::Index;
using raft::NodeId;
using raft::Term;

raft::Message With(raft::Body body) {
  return {NodeId(3), NodeId(UINT64_MAX), Term(7), std::move(body)};
}

// One of every kind, with something in every field.
std::vector<raft::Message> Samples() {
  const raft::Ticket ticket{NodeId(3), 4, 5};
  raft::SnapshotMeta meta{Index(9), Term(8), {}};
  meta.conf.voters = {NodeId(1), NodeId(2)};
  meta.conf.outgoing = {NodeId(3)};
  meta.conf.learners = {NodeId(4)};
  meta.conf.learners_next = {NodeId(3)};
  meta.conf.auto_leave = true;
  const std::vector<raft::Entry> entries = {
      {Index(10), Term(7), raft::EntryType::kCommand, std::string("a\0b", 3)},
      {Index(11), Term(7), raft::EntryType::kConf, std::string(300, 'x')}};
  return {With(raft::PreVoteRequest{Index(1), Term(2)}),
          With(raft::PreVoteReply{Term(3), true}),
          With(raft::VoteRequest{Index(1), Term(2), true}),
          With(raft::VoteReply{true}),
          With(raft::AppendRequest{Index(9), Term(6), Index(8), entries}),
          With(raft::AppendReply{true, Index(1), Index(2), Index(3), Term(4)}),
          With(raft::Heartbeat{Index(1), 2}),
          With(raft::HeartbeatReply{2}),
          With(raft::SnapshotChunk{ticket, meta, 100, 200, std::string("bytes")}),
          With(raft::SnapshotChunkReply{ticket, 150, true, true}),
          With(raft::TimeoutNow{}),
          With(raft::ProposeRequest{ticket, {std::string("p"), std::string("")}}),
          With(raft::ProposeReply{ticket, true, Index(12)}),
          With(raft::ReadRequest{ticket}),
          With(raft::ReadReply{ticket, true, Index(13)}),
          With(raft::TermNotice{})};
}

TEST_CASE("peer codec: every kind of message survives, to the byte") {
  const auto samples = Samples();
  CHECK(samples.size() == std::variant_size_v<raft::Body>);
  for (const raft::Message& message : samples) {
    const std::string bytes = EncodeMessage(message);
    const auto decoded = DecodeMessage(bytes);
    INFO(raft::Describe(message));
    REQUIRE(decoded.ok());
    CHECK(decoded->body.index() == message.body.index());
    CHECK(decoded->to == message.to);
    CHECK(EncodeMessage(*decoded) == bytes);
    CHECK(raft::Describe(*decoded) == raft::Describe(message));
  }
}

TEST_CASE("peer codec: what is cut short, longer, or of no kind is refused") {
  for (const raft::Message& message : Samples()) {
    const std::string bytes = EncodeMessage(message);
    for (size_t size = 0; size < bytes.size(); ++size) {
      CHECK(!DecodeMessage(std::string_view(bytes).substr(0, size)).ok());
    }
    CHECK(!DecodeMessage(bytes + "x").ok());
  }
  CHECK(!DecodeMessage("\xff").ok());
}

}  // namespace
}  // namespace matricula::replication
