#include "common/store/state_comparison.h"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "common/kv/rows.h"
#include "common/storage/memory_engine.h"

namespace matricula::store {
namespace {

using etcdserverpb::AlarmMember;
using etcdserverpb::CORRUPT;

// The leader's part of it, on member 1; what members claim, it is told.
class Leader {
 public:
  explicit Leader(const std::vector<uint64_t>& voters, const std::vector<uint64_t>& learners = {}) {
    raft::ConfState conf;
    for (const uint64_t id : voters) conf.voters.emplace_back(id);
    for (const uint64_t id : learners) conf.learners.emplace_back(id);
    membership_.OnConf(conf);
  }

  void Claim(uint64_t member, uint64_t index, uint64_t chain, uint64_t since = 0) {
    peer::DigestClaim claim;
    claim.set_member_id(member);
    claim.mutable_digest()->set_index(index);
    claim.mutable_digest()->set_chain(chain);
    claim.mutable_digest()->set_since(since);
    comparison_.OnClaim(claim);
  }

  // Whom alarms were raised about since the last call; they count as raised then.
  std::vector<uint64_t> TakeAccused() {
    std::vector<uint64_t> accused;
    for (const kv::Command& command : std::exchange(proposed_, {})) {
      if (!command.has_alarm()) continue;
      REQUIRE(command.alarm().alarm() == CORRUPT);
      REQUIRE(command.alarm().action() == etcdserverpb::AlarmRequest::ACTIVATE);
      accused.push_back(command.alarm().memberid());
      raised_.emplace_back().set_alarm(CORRUPT);
      raised_.back().set_memberid(command.alarm().memberid());
    }
    return accused;
  }
  // How many marks were put into the log since the last call, and whether the last one restarts.
  std::pair<size_t, bool> TakeMarks() {
    const auto commands = std::exchange(proposed_, {});
    for (const kv::Command& command : commands) REQUIRE(command.has_digest_mark());
    return {commands.size(), !commands.empty() && commands.back().digest_mark().restart()};
  }
  void Tick(int64_t later_ms) {
    clock_.AdvanceMs(later_ms);
    comparison_.Tick();
  }
  void Apply(uint64_t to) { applied_ = to; }
  // A mark at the last applied command, and its own command.
  void ApplyMark() {
    kv::StateDigest digest;
    digest.set_index(applied_++);
    comparison_.OnMark(digest);
  }

 private:
  base::ManualClock clock_;
  uint64_t applied_ = 0;
  std::vector<AlarmMember> raised_;
  std::vector<kv::Command> proposed_;
  std::unique_ptr<storage::Engine> engine_ = storage::NewMemoryEngine();
  std::unique_ptr<kv::Mvcc> mvcc_ = *kv::Mvcc::Open(*engine_);
  Membership membership_{*mvcc_, Membership::Options{}};
  StateComparison comparison_{
      membership_,
      {.clock = &clock_,
       .self = 1,
       .leads = [] { return true; },
       .applied_index = [this] { return applied_; },
       .alarms = [this] { return raised_; },
       .propose = [this](kv::Command command) { proposed_.push_back(std::move(command)); },
       .tell_leader = [](const peer::Call&,
                         base::Done<peer::Answer> done) { std::move(done)(peer::Answer()); }}};
};

using Ids = std::vector<uint64_t>;
constexpr uint64_t kNotYet = kv::Digest::kNotYet;

TEST_CASE("comparison: whoever is not like the majority is named, once, and only of one index") {
  Leader leader({1, 2, 3});
  for (const uint64_t member : {1, 2, 3}) leader.Claim(member, 10, 77);
  CHECK(leader.TakeAccused() == Ids{});
  leader.Claim(2, 20, 78);
  leader.Claim(3, 10, 79);  // late, of the mark before
  leader.Claim(3, 20, 5);
  CHECK(leader.TakeAccused() == Ids{});  // one each: who is right?
  leader.Claim(1, 20, 78);
  CHECK(leader.TakeAccused() == Ids{3});
  for (const uint64_t member : {3, 2, 1}) leader.Claim(member, 30, member == 3 ? 6 : 79);
  CHECK(leader.TakeAccused() == Ids{});  // it is known
}

TEST_CASE("comparison: the leader itself may be the one that differs") {
  Leader leader({1, 2, 3});
  for (const uint64_t member : {1, 2, 3}) leader.Claim(member, 10, member == 1 ? 5 : 77);
  CHECK(leader.TakeAccused() == Ids{1});
}

TEST_CASE("comparison: if no majority is alike, nobody is named and all are meant") {
  Leader of_two({1, 2});
  of_two.Claim(1, 10, 77);
  of_two.Claim(2, 10, 78);
  CHECK(of_two.TakeAccused() == Ids{0});
  Leader of_three({1, 2, 3});
  of_three.Claim(1, 10, 77);
  of_three.Claim(2, 10, 78);
  CHECK(of_three.TakeAccused() == Ids{});  // the third one may decide it
  of_three.Claim(3, 10, 79);
  CHECK(of_three.TakeAccused() == Ids{0});
}

TEST_CASE("comparison: a learner is compared, and has no vote") {
  Leader leader({1}, {2, 3});
  leader.Claim(2, 10, 78);
  leader.Claim(3, 10, 78);
  CHECK(leader.TakeAccused() == Ids{});
  leader.Claim(1, 10, 77);
  CHECK(leader.TakeAccused() == Ids{2});
  leader.Claim(9, 11, 1);  // no member
  leader.Claim(1, 11, 77);
  leader.Claim(3, 11, 78);
  CHECK(leader.TakeAccused() == Ids{3});
}

// A member of an earlier version would take the alarm for one that stops the whole store.
TEST_CASE("comparison: nobody is accused before all have shown that they count") {
  Leader leader({1, 2, 3, 4, 5});
  for (const uint64_t member : {1, 2, 3, 4}) leader.Claim(member, 10, member == 4 ? 5 : 7, kNotYet);
  CHECK(leader.TakeMarks() == std::pair<size_t, bool>{0, false});  // the fifth is silent
  leader.Claim(5, 10, 7, 4);
  CHECK(leader.TakeMarks() == std::pair<size_t, bool>{1, true});
  for (const uint64_t member : {1, 2, 3, 4}) leader.Claim(member, 12, member == 4 ? 5 : 7, 11);
  CHECK(leader.TakeAccused() == Ids{4});
}

TEST_CASE("comparison: members that have counted from different places on begin anew") {
  Leader leader({1, 2, 3});
  leader.Claim(1, 10, 7, 0);
  leader.Claim(2, 10, 7, 0);
  leader.Claim(3, 10, 5, 4);
  CHECK(leader.TakeMarks() == std::pair<size_t, bool>{1, true});
}

TEST_CASE("comparison: a store in which nothing happens is not written to") {
  Leader leader({1, 2, 3});
  leader.Apply(5);
  leader.Tick(StateComparison::kMarkEveryMs);
  CHECK(leader.TakeMarks().first == 1);
  leader.ApplyMark();
  for (int i = 0; i < 5; ++i) leader.Tick(StateComparison::kMarkEveryMs);
  CHECK(leader.TakeMarks().first == 0);
  leader.Apply(7);
  for (int i = 0; i < 11; ++i) leader.Tick(StateComparison::kMarkEveryMs / 10);
  CHECK(leader.TakeMarks().first == 1);
  Leader alone({1});
  alone.Apply(5);
  alone.Tick(StateComparison::kMarkEveryMs);
  CHECK(alone.TakeMarks().first == 0);
}

}  // namespace
}  // namespace matricula::store
