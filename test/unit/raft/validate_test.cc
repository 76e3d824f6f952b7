#include "common/raft/validate.h"

#include <catch2/catch.hpp>
#include <functional>

#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {
namespace {

std::string Check(Body body, uint64_t from = 2, uint64_t to = 1) {
  Config config;
  config.id = NodeId(1);
  return ValidateMessage(config, {NodeId(from), NodeId(to), Term(3), std::move(body)}).message();
}

AppendRequest Append(std::vector<Entry> entries) {
  return {Index(4), Term(2), Index(0), std::move(entries)};
}

Entry At(uint64_t index, uint64_t term, EntryType type = EntryType::kCommand) {
  return {Index(index), Term(term), type, {}};
}

}  // namespace

TEST_CASE("a message must be for this node, from another") {
  CHECK(Check(Heartbeat{}).empty());
  CHECK(Check(Heartbeat{}, 2, 3) == "a message for another node");
  CHECK(Check(Heartbeat{}, 1) == "a message from nobody, or from this node");
  CHECK(Check(Heartbeat{}, 0) == "a message from nobody, or from this node");
}

TEST_CASE("the entries of an append must be in order") {
  CHECK(Check(Append({})).empty());
  CHECK(Check(Append({At(5, 2), At(6, 3)})).empty());
  CHECK(Check(Append({At(6, 2)})) == "the entries of an append do not follow one another");
  CHECK(Check(Append({At(5, 2), At(5, 2)})) ==
        "the entries of an append do not follow one another");
  const std::string terms = "the terms of an append's entries are out of order";
  CHECK(Check(Append({At(5, 1)})) == terms);
  CHECK(Check(Append({At(5, 3), At(6, 2)})) == terms);
  CHECK(Check(Append({At(5, 4)})) == terms);
  CHECK(Check(Append({At(5, 2, static_cast<EntryType>(9))})) == "an entry of an unknown type");
  CHECK(Check(Append({At(5, 2, EntryType::kConf)})) == "a configuration entry that cannot be read");
}

TEST_CASE("a chunk must lie within its snapshot, and be the sender's own") {
  SnapshotChunk good{{NodeId(2), 1, 1}, {Index(5), Term(3), Conf({1})}, 2, 5, std::string("abc")};
  CHECK(Check(good).empty());
  const auto with = [&](const std::function<void(SnapshotChunk&)>& edit) {
    SnapshotChunk chunk = good;
    edit(chunk);
    return Check(chunk);
  };
  CHECK(with([](auto& c) { c.transfer.node = NodeId(3); }) ==
        "a snapshot under somebody else's name");
  CHECK(with([](auto& c) { c.meta.conf = {}; }) == "a snapshot without voters");
  CHECK(with([](auto& c) { c.meta.term = Term(4); }) ==
        "a snapshot of a later term than its sender's");
  const std::string outside = "a chunk outside of its snapshot";
  CHECK(with([](auto& c) { c.offset = 3; }) == outside);
  CHECK(with([](auto& c) { c.offset = 6; }) == outside);
  CHECK(with([](auto& c) { c.offset = UINT64_MAX; }) == outside);
  CHECK(with([](auto& c) { c.total_bytes = 0; }) == outside);
}

TEST_CASE("requests travel under the sender's own name") {
  CHECK(Check(ReadRequest{{NodeId(2), 1, 1}}).empty());
  CHECK(Check(ReadRequest{{NodeId(3), 1, 1}}) == "a read under another's name");
  CHECK(Check(ProposeRequest{{NodeId(2), 1, 1}, {}}).empty());
  CHECK(Check(ProposeRequest{{NodeId(3), 1, 1}, {}}) == "a proposal under another's name");
}

TEST_CASE("a message that is refused changes nothing") {
  Cluster cluster(3);
  const base::Status status = cluster[1].core().Step(
      {NodeId(2), NodeId(1), Term(9), AppendRequest{Index(0), Term(0), Index(0), {At(7, 1)}}});
  CHECK(status.code() == base::Code::kInvalidArgument);
  CHECK(cluster[1].core().standing().term == Term(0));
  CHECK(cluster[1].core().TakeOutput().Empty());
}

TEST_CASE("an acknowledgement of what does not exist is refused") {
  Cluster cluster(3);
  cluster.Elect(1);
  const base::Status status = cluster[1].core().Step(
      {NodeId(2), NodeId(1), Term(1), AppendReply{true, Index(99), {}, {}, {}}});
  CHECK(status.code() == base::Code::kInvalidArgument);
}

TEST_CASE("a node that has lost what it acknowledged is told so") {
  Cluster cluster(3);
  cluster.Elect(1);
  const base::Status status =
      cluster[2].core().Step({NodeId(1), NodeId(2), Term(1), Heartbeat{Index(5), 0}});
  CHECK(status.code() == base::Code::kDataLoss);
}

TEST_CASE("a wrong configuration of the core is one clear sentence") {
  const auto with = [](const std::function<void(Config&)>& edit) {
    Config config;
    config.id = NodeId(1);
    edit(config);
    return Validate(config).message();
  };
  CHECK(with([](Config&) {}).empty());
  CHECK(with([](Config& c) { c.id = kNobody; }) == "id must not be 0");
  CHECK(with([](Config& c) { c.heartbeat_ticks = 0; }) == "heartbeat_ticks must be at least 1");
  CHECK(with([](Config& c) { c.heartbeat_ticks = 4; }) ==
        "election_ticks must be at least 3 × heartbeat_ticks");
  CHECK(with([](Config& c) { c.max_inflight_messages = 0; }) ==
        "max_inflight_messages must be at least 1");
  CHECK(with([](Config& c) { c.max_inflight_chunks = 0; }) ==
        "max_inflight_chunks must be at least 1");
  const std::string zero = "a limit of 0 would let nothing through";
  CHECK(with([](Config& c) { c.max_append_bytes = 0; }) == zero);
  CHECK(with([](Config& c) { c.max_inflight_bytes = 0; }) == zero);
  CHECK(with([](Config& c) { c.max_entry_bytes = Entry::kOverheadBytes; }) == zero);
  CHECK(with([](Config& c) { c.max_uncommitted_bytes = 0; }) == zero);
  CHECK(with([](Config& c) { c.max_apply_bytes = 0; }) == zero);
  CHECK(with([](Config& c) { c.max_pending_reads = 0; }) == zero);
  CHECK(with([](Config& c) { c.snapshot_chunk_bytes = 0; }) == zero);
}

TEST_CASE("what is restored must fit together") {
  MemoryLog disk;
  disk.base_index = Index(5);
  disk.base_term = Term(2);
  disk.entries = {At(6, 2), At(7, 3)};
  const Restored good{{Term(3), kNobody, Index(6)}, Index(6), Conf({1})};
  CHECK(CheckRestored(good, disk).ok());
  const auto with = [&](const std::function<void(Restored&)>& edit) {
    Restored restored = good;
    edit(restored);
    return CheckRestored(restored, disk).message();
  };
  CHECK(with([](auto& r) { r.applied = Index(4); }) ==
        "the log begins after what the state machine needs next");
  CHECK(with([](auto& r) { r.applied = Index(8); }) == "the log ends before what has been applied");
  CHECK(with([](auto& r) { r.hard_state.commit = Index(8); }) ==
        "the log ends before what is committed");
  CHECK(with([](auto& r) { r.hard_state.term = Term(2); }) ==
        "the log holds a later term than the hard state");
  disk.broken = true;
  CHECK(CheckRestored(good, disk).code() == base::Code::kDataLoss);
}

}  // namespace matricula::raft::testing
