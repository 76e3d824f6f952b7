#include "common/store/state_comparison.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/kv/rows.h"

namespace matricula::store {

using base::MutexLock;
using base::Result;

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

bool StateComparison::IsCorrupt(const std::vector<etcdserverpb::AlarmMember>& alarms,
                                uint64_t member) {
  return std::any_of(alarms.begin(), alarms.end(), [&](const auto& alarm) {
    return alarm.alarm() == etcdserverpb::CORRUPT &&
           (alarm.memberid() == member || alarm.memberid() == 0);
  });
}

void StateComparison::OnMark(const kv::StateDigest& digest) {
  const MutexLock lock(mutex_);
  const bool anew = digest.index() > 0 && digest.since() == digest.index();
  own_ = digest;
  told_ = false;
  if (anew) base::log::Info("state.compared_anew", {{"since", digest.since()}});
}

void StateComparison::Tick() {
  const int64_t now_ns = options_.clock->MonotonicNs();
  if (now_ns < next_look_ns_) return;
  next_look_ns_ = now_ns + kLookEveryMs * kNsPerMs;
  TellLeader();
  if (options_.leads()) MarkIfDue();
}

void StateComparison::TellLeader() {
  peer::Call call;
  {
    const MutexLock lock(mutex_);
    if (told_ || telling_ || !own_) return;
    telling_ = true;
    call.mutable_digest()->set_member_id(options_.self);
    *call.mutable_digest()->mutable_digest() = *own_;
  }
  const uint64_t index = call.digest().digest().index();
  options_.tell_leader(std::move(call), [this, index](const Result<peer::Answer>& answer) {
    const MutexLock lock(mutex_);
    telling_ = false;
    if (answer.ok() && own_->index() == index) told_ = true;
  });
}

// A store in which nothing happens is not written to. A mark is an entry, too.
void StateComparison::MarkIfDue() {
  const int64_t now_ns = options_.clock->MonotonicNs();
  if (now_ns < next_mark_ns_ || membership_.List().size() < 2) return;
  next_mark_ns_ = now_ns + kMarkEveryMs * kNsPerMs;
  {
    const MutexLock lock(mutex_);
    if (own_ && options_.applied_index() <= own_->index() + 1) return;
  }
  Mark(false);
}

void StateComparison::Mark(bool restart) const {
  kv::Command mark;
  mark.mutable_digest_mark()->set_restart(restart);
  options_.propose(std::move(mark));
}

void StateComparison::OnClaim(const peer::DigestClaim& claim) {
  const kv::StateDigest& digest = claim.digest();
  const MutexLock lock(mutex_);
  if (digest.index() < index_ || !membership_.IsMember(claim.member_id())) return;
  if (digest.index() > index_) {
    index_ = digest.index();
    claims_.clear();
    complained_ = false;
  }
  claims_[claim.member_id()] = {digest.since(), digest.chain(), digest.sum()};
  Judge();
}

void StateComparison::Judge() {
  std::map<State, size_t> votes;
  std::set<uint64_t> ages;
  size_t silent = 0;
  size_t voters = 0;
  size_t silent_voters = 0;
  for (const auto& member : membership_.List()) {
    const auto claim = claims_.find(member.id());
    const bool speaks = claim != claims_.end();
    if (!speaks) ++silent;
    if (speaks) ages.insert(std::get<0>(claim->second));
    if (!membership_.IsVoter(member.id())) continue;
    ++voters;
    if (!speaks) ++silent_voters;
    if (speaks) ++votes[claim->second];
  }
  if (ages.size() != 1 || ages.contains(kv::Digest::kNotYet)) {
    if (silent == 0 && !std::exchange(complained_, true)) Mark(true);
    return;
  }
  for (const auto& [state, count] : votes) {
    if (count * 2 <= voters) continue;
    for (const auto& [member, claimed] : claims_) {
      if (claimed != state && membership_.IsMember(member)) Raise(member, claimed);
    }
    return;
  }
  if (silent_voters == 0 && !votes.empty()) Raise(0, votes.begin()->first);
}

void StateComparison::Raise(uint64_t member, const State& state) {
  const auto raised = options_.alarms();
  const bool known = std::any_of(raised.begin(), raised.end(), [&](const auto& alarm) {
    return alarm.alarm() == etcdserverpb::CORRUPT && alarm.memberid() == member;
  });
  if (known || std::exchange(complained_, true)) return;
  base::log::Error(
      "state.diverged",
      {{"member", member == 0 ? "unknown" : fmt::format("{:x}", member)},
       {"index", index_},
       {"digest", fmt::format("{:016x}-{:016x}", std::get<1>(state), std::get<2>(state))},
       {"consequence",
        member == 0 ? "no majority is alike: the store stops" : "it is to stop serving"}});
  kv::Command command;
  command.mutable_alarm()->set_action(etcdserverpb::AlarmRequest::ACTIVATE);
  command.mutable_alarm()->set_alarm(etcdserverpb::CORRUPT);
  command.mutable_alarm()->set_memberid(member);
  options_.propose(std::move(command));
}

}  // namespace matricula::store
