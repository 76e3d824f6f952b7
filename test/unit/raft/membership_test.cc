#include "common/raft/membership.h"

#include <catch2/catch.hpp>

#include "common/raft/random.h"
#include "test/unit/raft/harness.h"

namespace matricula::raft::testing {
namespace {

using Op = ConfStep::Op;

std::string Change(const ConfState& from, std::vector<ConfStep> steps,
                   ConfChange::Transition transition = ConfChange::Transition::kAuto) {
  const base::Result<ConfState> next = Reconfigure(from, {std::move(steps), transition, {}});
  return next.ok() ? Describe(*next) : next.status().ToString();
}

ConfStep Add(uint64_t id) { return {Op::kAddVoter, NodeId(id)}; }
ConfStep Learn(uint64_t id) { return {Op::kAddLearner, NodeId(id)}; }
ConfStep Drop(uint64_t id) { return {Op::kRemove, NodeId(id)}; }

}  // namespace

TEST_CASE("a change of one voter is made in one step") {
  CHECK(Change(Conf({1, 2}), {Add(3)}) == "{n1 n2 n3}");
  CHECK(Change(Conf({1, 2, 3}), {Drop(2)}) == "{n1 n3}");
  CHECK(Change(Conf({1, 2}, {3}), {Add(3)}) == "{n1 n2 n3}");
  CHECK(Change(Conf({1, 2, 3}), {Learn(3)}) == "{n1 n2 learners n3}");
}

TEST_CASE("learners come and go in one step, any number of them") {
  CHECK(Change(Conf({1}), {Learn(2), Learn(3)}) == "{n1 learners n2 n3}");
  CHECK(Change(Conf({1}, {2, 3}), {Drop(2), Drop(3)}) == "{n1}");
  CHECK(Change(Conf({1}, {2}), {Learn(2)}) == "{n1 learners n2}");
  CHECK(Change(Conf({1}, {2}), {Drop(2), Learn(3), Add(4)}) == "{n1 n4 learners n3}");
}

TEST_CASE("a change of several voters is joint, and so is one that asks for it") {
  CHECK(Change(Conf({1, 2}), {Add(3), Add(4)}) == "{n1 n2 n3 n4 from n1 n2 auto}");
  CHECK(Change(Conf({1, 2, 3}), {Drop(3), Add(4)}) == "{n1 n2 n4 from n1 n2 n3 auto}");
  CHECK(Change(Conf({1}), {Add(2)}, ConfChange::Transition::kJoint) == "{n1 n2 from n1 auto}");
  CHECK(Change(Conf({1}), {Add(2)}, ConfChange::Transition::kJointExplicit) == "{n1 n2 from n1}");
}

TEST_CASE("a voter that becomes a learner while joint waits for the end") {
  const base::Result<ConfState> joint = Reconfigure(
      Conf({1, 2, 3}, {5}), {{Learn(3), Drop(2), Add(4)}, ConfChange::Transition::kAuto, {}});
  REQUIRE(joint.ok());
  CHECK(Describe(*joint) == "{n1 n4 from n1 n2 n3 learners n5 then learners n3 auto}");
  CHECK(Change(*joint, {}) == "{n1 n4 learners n3 n5}");
}

TEST_CASE("a change that makes no sense is refused with a reason") {
  CHECK(Change(Conf({1}), {}) == "INVALID_ARGUMENT: a change without steps");
  CHECK(Change(Conf({1}), {Add(0)}) == "INVALID_ARGUMENT: member 0 is nobody");
  CHECK(Change(Conf({1}), {Drop(2)}) == "INVALID_ARGUMENT: member 2 is not of the group");
  CHECK(Change(Conf({1}), {Drop(1)}) == "INVALID_ARGUMENT: no voter would be left");
  CHECK(Change(Conf({1, 2}), {Learn(1), Drop(2)}) == "INVALID_ARGUMENT: no voter would be left");
  CHECK(Change(Conf({1}), {Add(2), Learn(2)}) ==
        "INVALID_ARGUMENT: member 2 is named twice in one change");
  ConfState joint = Conf({1, 2});
  joint.outgoing = {NodeId(1)};
  CHECK(Change(joint, {Add(3)}) ==
        "FAILED_PRECONDITION: the configuration is joint: end that first");
}

TEST_CASE("members are all that are named anywhere") {
  ConfState conf = Conf({1, 4}, {5});
  conf.outgoing = {NodeId(1), NodeId(2), NodeId(3)};
  conf.learners_next = {NodeId(3)};
  CHECK(conf.Members().size() == 5);
  CHECK(conf.IsVoter(NodeId(2)));
  CHECK_FALSE(conf.IsVoter(NodeId(5)));
  CHECK(conf.IsMember(NodeId(5)));
  CHECK_FALSE(conf.IsMember(NodeId(6)));
}

TEST_CASE("a configuration entry comes back as it was written") {
  ConfEntry entry{Conf({1, 4}, {5}), Payload("addresses")};
  entry.conf.outgoing = {NodeId(1), NodeId(2), NodeId(1ULL << 63)};
  entry.conf.learners_next = {NodeId(2)};
  entry.conf.auto_leave = true;
  const Payload bytes = EncodeConfEntry(entry);
  const base::Result<ConfEntry> read = DecodeConfEntry(bytes.view());
  REQUIRE(read.ok());
  CHECK(*read == entry);
}

TEST_CASE("a configuration entry is written in this format") {
  const Payload bytes = EncodeConfEntry({Conf({258}), Payload("x")});
  const std::string expected("\1\0\1\0\0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x", 27);
  CHECK(bytes.view() == expected);
}

TEST_CASE("bytes that are no configuration entry are refused") {
  const std::string good(EncodeConfEntry({Conf({1, 2}, {3}), {}}).view());
  for (size_t length = 0; length < good.size(); ++length) {
    CHECK_FALSE(DecodeConfEntry(good.substr(0, length)).ok());
  }
  const auto with = [&](size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    return DecodeConfEntry(bytes).ok();
  };
  CHECK(with(1, 1));          // auto_leave
  CHECK_FALSE(with(0, 2));    // a version that is unknown
  CHECK_FALSE(with(1, 2));    // an unknown flag
  CHECK_FALSE(with(2, 0));    // fewer voters than follow
  CHECK_FALSE(with(5, 127));  // more than there are bytes
  CHECK_FALSE(with(6, 0));    // member 0
  CHECK_FALSE(with(6, 2));    // the same twice
  CHECK_FALSE(with(6, 3));    // not sorted
  CHECK_FALSE(DecodeConfEntry(std::string("\1\0", 2) + std::string(16, '\0')).ok());
}

TEST_CASE("random bytes never do harm") {
  Random random(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random.Below(60), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Below(4) == 0 ? random.Next() : 0);
    if (!bytes.empty()) bytes[0] = 1;
    const base::Result<ConfEntry> read = DecodeConfEntry(bytes);
    if (read.ok()) CHECK(EncodeConfEntry(*read).view() == bytes);
  }
}

TEST_CASE("the history knows which configuration is in force where") {
  ConfHistory history(Index(5), Conf({1}));
  history.Append(Index(7), Conf({1, 2}));
  history.Append(Index(9), Conf({1, 2, 3}));
  CHECK(history.Latest().index == Index(9));
  CHECK(history.At(Index(5)).conf == Conf({1}));
  CHECK(history.At(Index(6)).conf == Conf({1}));
  CHECK(history.At(Index(7)).conf == Conf({1, 2}));
  CHECK(history.At(Index(100)).conf == Conf({1, 2, 3}));
  CHECK(history.Since(Index(6)).size() == 3);
  CHECK(history.Since(Index(8)).size() == 2);

  history.TruncateFrom(Index(9));
  CHECK(history.Latest().conf == Conf({1, 2}));
  history.TruncateFrom(Index(9));
  CHECK(history.Latest().conf == Conf({1, 2}));
  history.Trim(Index(8));
  CHECK(history.At(Index(8)).index == Index(7));
  CHECK(history.Since(Index(8)).size() == 1);
  history.Reset(Index(20), Conf({4}));
  CHECK(history.Latest().index == Index(20));
}

}  // namespace matricula::raft::testing
