#pragma once

#include <functional>
#include <map>
#include <optional>

#include "command.pb.h"
#include "common/base/clock.h"
#include "common/base/done.h"
#include "common/base/mutex.h"
#include "common/store/membership.h"
#include "raft.pb.h"

namespace matricula::store {

// Compares the members' states, always and cheaply: every few seconds in which something has
// happened, the leader puts a mark into the log. Each member then tells the leader the digest
// (kv/digest.h) that it had there, and whoever is not like the majority of all voters is named in
// an alarm, CORRUPT, which is part of what the members agree on. That member stops serving by
// itself; what is wrong with it can no longer be asked of it, but the alarm and the logs tell.
//
// Without a majority for one digest, more voters are waited for. If all have spoken and there is
// none, nobody knows who is right: the alarm names no member, and the whole store stops. What gets
// lost on the way comes with the next mark. Any thread.
class StateComparison {
 public:
  static constexpr int64_t kMarkEveryMs = 5'000;
  static constexpr int64_t kLookEveryMs = 250;

  struct Options {
    const base::Clock* clock = nullptr;
    uint64_t self = 0;
    std::function<bool()> leads;
    std::function<uint64_t()> applied_index;
    std::function<std::vector<etcdserverpb::AlarmMember>()> alarms;
    // Into the log; what becomes of it shows in what is applied.
    std::function<void(kv::Command)> propose;
    // To the leader, which may be this member (LeaderDesk::Do).
    std::function<void(peer::Call, base::Done<peer::Answer>)> tell_leader;
  };

  StateComparison(const Membership& membership, Options options)
      : membership_(membership), options_(std::move(options)) {}

  // A mark was applied here, with this digest.
  void OnMark(const kv::StateDigest& digest) EXCLUDES(mutex_);
  // On the leader: what a member says it had at a mark.
  void OnClaim(const peer::DigestClaim& claim) EXCLUDES(mutex_);
  // Every few tens of milliseconds, on one thread.
  void Tick() EXCLUDES(mutex_);

  // The alarm that takes `member` out of service, if there is one: its own, or one for all.
  static bool IsCorrupt(const std::vector<etcdserverpb::AlarmMember>& alarms, uint64_t member);

 private:
  // (since, chain, sum); with a different first one, two say nothing about each other.
  using State = std::tuple<uint64_t, uint64_t, uint64_t>;

  void TellLeader() EXCLUDES(mutex_);
  void MarkIfDue() EXCLUDES(mutex_);
  void Mark(bool restart) const;
  void Judge() REQUIRES(mutex_);
  void Raise(uint64_t member, const State& state) REQUIRES(mutex_);

  const Membership& membership_;
  const Options options_;
  int64_t next_look_ns_ = 0;  // of the ticking thread
  int64_t next_mark_ns_ = 0;

  base::Mutex mutex_;
  std::optional<kv::StateDigest> own_ GUARDED_BY(mutex_);  // at the last mark
  bool told_ GUARDED_BY(mutex_) = true;                    // the leader knows it
  bool telling_ GUARDED_BY(mutex_) = false;
  uint64_t index_ GUARDED_BY(mutex_) = 0;                // of the mark that claims are about
  std::map<uint64_t, State> claims_ GUARDED_BY(mutex_);  // by member
  bool complained_ GUARDED_BY(mutex_) = false;           // about this mark
};

}  // namespace matricula::store
