#pragma once

#include <atomic>
#include <functional>
#include <memory>

#include "common/base/done.h"
#include "common/kv/lessor.h"
#include "common/store/membership.h"
#include "common/store/raft_sequencer.h"
#include "common/store/state_comparison.h"

namespace matricula::store {

// What a lessor that decides it and the store know of a lease.
base::Result<etcdserverpb::LeaseTimeToLiveResponse> DescribeLease(
    const kv::Lessor& lessor, const kv::Mvcc& mvcc,
    const etcdserverpb::LeaseTimeToLiveRequest& request);

// What only the leader can do for a client besides ordering commands: it alone knows when leases
// end, and it alone changes the membership. Elsewhere the call is sent to it. A call that meets no
// leader waits for one, as commands do. Any thread.
class LeaderDesk {
 public:
  using AnswerDone = base::Done<peer::Answer>;
  // Sends a call to another member (replication::PeerTransport::Ask).
  using AskFunction =
      std::function<void(uint64_t member, const peer::Call&, int64_t timeout_ms, AnswerDone)>;

  static constexpr int64_t kAskTimeoutMs = 7'000;
  // Of both kinds together; each costs the leader as much as a voter.
  static constexpr size_t kMaxLearners = 4;

  LeaderDesk(RaftSequencer& sequencer, const Membership& membership, const kv::Mvcc& mvcc,
             kv::Lessor& lessor, StateComparison& comparison, const base::Clock& clock,
             AskFunction ask)
      : sequencer_(sequencer),
        membership_(membership),
        mvcc_(mvcc),
        lessor_(lessor),
        comparison_(comparison),
        clock_(clock),
        ask_(std::move(ask)) {}

  // For a client of this member.
  void Do(peer::Call call, AnswerDone done);
  // For another member. FailedPrecondition "not leader": it must look elsewhere.
  void DoHere(const peer::Call& call, AnswerDone done);
  // If this member leads, another one does soon.
  void GiveUpOffice();
  // Every few tens of milliseconds: introduces this member, promotes who has caught up,
  // takes back the alarm of who is no member any more.
  void Tick();

 private:
  struct Request;

  void Try(const std::shared_ptr<Request>& request);
  void OnAnswer(const std::shared_ptr<Request>& request, base::Result<peer::Answer> answer);
  void KeepAlive(int64_t lease, AnswerDone done);
  void TimeToLive(const etcdserverpb::LeaseTimeToLiveRequest& request, AnswerDone done);
  void Add(const etcdserverpb::MemberAddRequest& request, AnswerDone done);
  void Remove(uint64_t id, AnswerDone done);
  void Promote(uint64_t id, AnswerDone done);
  void Update(const etcdserverpb::MemberUpdateRequest& request, AnswerDone done);
  void TakeBackAlarms();
  void Rebuild(const peer::JoinRequest& request, AnswerDone done);
  void AddAt(const std::string& address, AnswerDone done);
  // `fill` makes the answer when the change is made.
  void Change(raft::ConfStep::Op op, uint64_t id, const kv::Command& context,
              std::function<peer::Answer()> fill, AnswerDone done);
  base::Status CheckAdd(const etcdserverpb::MemberAddRequest& request) const;
  base::Status CheckRemove(uint64_t id, const replication::Node::Details& details) const;
  void IntroduceSelf();
  void PromoteReady();

  RaftSequencer& sequencer_;
  const Membership& membership_;
  const kv::Mvcc& mvcc_;
  kv::Lessor& lessor_;
  StateComparison& comparison_;
  const base::Clock& clock_;
  const AskFunction ask_;
  std::atomic<bool> introducing_{false};
  std::atomic<bool> promoting_{false};
  int64_t next_look_ns_ = 0;  // of the ticking thread
};

}  // namespace matricula::store
