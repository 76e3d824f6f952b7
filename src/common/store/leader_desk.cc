#include "common/store/leader_desk.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/kv/errors.h"
#include "common/store/identity.h"

namespace matricula::store {

namespace errors = kv::errors;
using base::Code;
using base::Result;
using base::Status;
using peer::Answer;
using peer::Call;
using raft::ConfStep;

namespace {

constexpr int64_t kLookEveryNs = 250'000'000;

bool IsIdempotent(const Call& call) {
  return call.has_keep_alive() || call.has_time_to_live() || call.has_digest();
}

template <class Response>
void ListInto(const Membership& membership, Response& response) {
  for (const auto& member : membership.List()) *response.add_members() = member;
}

bool HasCaughtUp(const replication::Node::Details& details, uint64_t id) {
  for (const raft::PeerProgress& peer : details.peers) {
    if (peer.id.value() != id) continue;
    // As etcd has it: nine tenths of the leader's log.
    return peer.active && peer.match.value() * 10 >= details.summary.last.value() * 9;
  }
  return false;
}

}  // namespace

Result<etcdserverpb::LeaseTimeToLiveResponse> DescribeLease(
    const kv::Lessor& lessor, const kv::Mvcc& mvcc,
    const etcdserverpb::LeaseTimeToLiveRequest& request) {
  etcdserverpb::LeaseTimeToLiveResponse response;
  response.set_id(request.id());
  const auto lease = lessor.Find(request.id());
  response.set_ttl(lease ? lease->remaining_s : -1);
  if (!lease) return response;
  response.set_grantedttl(lease->granted_s);
  if (!request.keys()) return response;
  const auto keys = mvcc.LeaseKeys(request.id());
  if (!keys.ok()) return keys.status();
  for (const std::string& key : *keys) response.add_keys(key);
  return response;
}

struct LeaderDesk::Request {
  Call call;
  AnswerDone done;
  int64_t deadline_ns;
};

// ---- here or there ----

void LeaderDesk::Do(Call call, AnswerDone done) {
  Try(std::make_shared<Request>(
      Request{std::move(call), std::move(done), sequencer_.DeadlineNs()}));
}

void LeaderDesk::Try(const std::shared_ptr<Request>& request) {
  const uint64_t leader = sequencer_.leader();
  const auto answered = [this, request](Result<Answer> answer) {
    OnAnswer(request, std::move(answer));
  };
  if (sequencer_.leads()) {
    DoHere(request->call, answered);
  } else if (leader == 0) {
    OnAnswer(request, errors::NotLeader());
  } else {
    ask_(leader, request->call, kAskTimeoutMs, [this, request](Result<Answer> answer) {
      const bool unsure = !answer.ok() && (answer.status().code() == Code::kUnavailable ||
                                           answer.status().code() == Code::kDeadlineExceeded);
      if (unsure && !IsIdempotent(request->call)) {
        return std::move(request->done)(Status(Code::kOutcomeUnknown, "the leader did not answer"));
      }
      const bool unasked = !answer.ok() && answer.status().code() == Code::kCancelled;
      OnAnswer(request,
               unsure || unasked ? Result<Answer>(errors::NotLeader()) : std::move(answer));
    });
  }
}

void LeaderDesk::OnAnswer(const std::shared_ptr<Request>& request, Result<Answer> answer) {
  if (answer.ok() || answer.status() != errors::NotLeader()) {
    return std::move(request->done)(std::move(answer));
  }
  sequencer_.patience().Wait(
      request->deadline_ns, [this, request] { Try(request); },
      [request] { std::move(request->done)(errors::NoLeader()); });
}

void LeaderDesk::DoHere(const Call& call, AnswerDone done) {
  if (!sequencer_.leads()) return std::move(done)(errors::NotLeader());
  switch (call.call_case()) {
    case Call::kKeepAlive:
      return KeepAlive(call.keep_alive().id(), std::move(done));
    case Call::kTimeToLive:
      return TimeToLive(call.time_to_live(), std::move(done));
    case Call::kMemberAdd:
      return Add(call.member_add(), std::move(done));
    case Call::kMemberRemove:
      return Remove(call.member_remove().id(), std::move(done));
    case Call::kMemberUpdate:
      return Update(call.member_update(), std::move(done));
    case Call::kMemberPromote:
      return Promote(call.member_promote().id(), std::move(done));
    case Call::kDigest:
      comparison_.OnClaim(call.digest());
      return std::move(done)(Answer());
    case Call::kRebuild:
      return Rebuild(call.rebuild(), std::move(done));
    case Call::CALL_NOT_SET:
      break;
  }
  std::move(done)(errors::NotCapable());
}

// ---- leases ----

// Only who is known to lead still may say that a lease goes on.
void LeaderDesk::KeepAlive(int64_t lease, AnswerDone done) {
  sequencer_.AwaitCurrent([this, lease, done = std::move(done)](Status current) mutable {
    if (!current.ok()) return std::move(done)(std::move(current));
    if (!sequencer_.leads()) return std::move(done)(errors::NotLeader());
    Answer answer;
    answer.mutable_keep_alive()->set_id(lease);
    answer.mutable_keep_alive()->set_ttl(lessor_.KeepAlive(lease).value_or(0));
    std::move(done)(std::move(answer));
  });
}

void LeaderDesk::TimeToLive(const etcdserverpb::LeaseTimeToLiveRequest& request, AnswerDone done) {
  sequencer_.AwaitCurrent([this, request, done = std::move(done)](Status current) mutable {
    if (!current.ok()) return std::move(done)(std::move(current));
    if (!sequencer_.leads()) return std::move(done)(errors::NotLeader());
    Answer answer;
    auto response = DescribeLease(lessor_, mvcc_, request);
    if (!response.ok()) return std::move(done)(response.status());
    *answer.mutable_time_to_live() = *std::move(response);
    std::move(done)(std::move(answer));
  });
}

// ---- members ----

Status LeaderDesk::CheckAdd(const etcdserverpb::MemberAddRequest& request) const {
  size_t learners = 0;
  size_t kept_learners = 0;
  const auto awaiting = membership_.AwaitingPromotion();
  for (const auto& member : membership_.List()) {
    for (const std::string& url : member.peerurls()) {
      const auto& asked = request.peerurls();
      if (std::find(asked.begin(), asked.end(), url) != asked.end()) return errors::PeerUrlExists();
    }
    if (!member.islearner()) continue;
    ++learners;
    if (std::find(awaiting.begin(), awaiting.end(), member.id()) == awaiting.end()) ++kept_learners;
  }
  const bool too_many = learners >= kMaxLearners || (request.islearner() && kept_learners > 0);
  return too_many ? errors::TooManyLearners() : Status();
}

// Everybody begins as a learner: one that never starts, or has much to catch up with, holds up
// nobody that way.
void LeaderDesk::Add(const etcdserverpb::MemberAddRequest& request, AnswerDone done) {
  if (Status wrong = CheckAdd(request); !wrong.ok()) return std::move(done)(std::move(wrong));
  const uint64_t id = RandomId();
  kv::Command context;
  kv::MemberRecord& record = *context.mutable_member_change()->mutable_add();
  record.mutable_member()->set_id(id);
  *record.mutable_member()->mutable_peerurls() = request.peerurls();
  record.set_promote_when_ready(!request.islearner());
  const auto fill = [this, id] {
    Answer answer;
    auto& response = *answer.mutable_member_add();
    ListInto(membership_, response);
    for (const auto& member : response.members()) {
      if (member.id() == id) *response.mutable_member() = member;
    }
    return answer;
  };
  Change(ConfStep::Op::kAddLearner, id, context, fill, std::move(done));
}

// Whoever stays must be able to decide without waiting for one that is away.
Status LeaderDesk::CheckRemove(uint64_t id, const replication::Node::Details& details) const {
  if (!details.conf.IsMember(raft::NodeId(id))) return errors::MemberNotFound();
  size_t voters = 0;
  size_t active = 0;
  for (const raft::PeerProgress& peer : details.peers) {
    if (peer.learner || peer.id.value() == id) continue;
    ++voters;
    if (peer.active || peer.id == details.summary.standing.leader) ++active;
  }
  const bool learner = membership_.IsLearner(id);
  if (!learner && active < voters / 2 + 1) return errors::NotEnoughStartedMembers();
  return {};
}

void LeaderDesk::Remove(uint64_t id, AnswerDone done) {
  sequencer_.node().Describe(
      [this, id, done = std::move(done)](Result<replication::Node::Details> details) mutable {
        if (!details.ok()) return std::move(done)(errors::NotLeader());
        if (Status wrong = CheckRemove(id, *details); !wrong.ok()) return std::move(done)(wrong);
        kv::Command context;
        context.mutable_member_change()->set_remove(id);
        const auto fill = [this] {
          Answer answer;
          ListInto(membership_, *answer.mutable_member_remove());
          return answer;
        };
        Change(ConfStep::Op::kRemove, id, context, fill, std::move(done));
      });
}

void LeaderDesk::Promote(uint64_t id, AnswerDone done) {
  if (!membership_.IsMember(id)) return std::move(done)(errors::MemberNotFound());
  if (!membership_.IsLearner(id)) return std::move(done)(errors::MemberNotLearner());
  sequencer_.node().Describe(
      [this, id, done = std::move(done)](Result<replication::Node::Details> details) mutable {
        if (!details.ok()) return std::move(done)(errors::NotLeader());
        if (!HasCaughtUp(*details, id)) return std::move(done)(errors::LearnerNotReady());
        kv::Command context;
        context.mutable_member_change()->set_promoted(id);
        const auto fill = [this] {
          Answer answer;
          ListInto(membership_, *answer.mutable_member_promote());
          return answer;
        };
        Change(ConfStep::Op::kAddVoter, id, context, fill, std::move(done));
      });
}

void LeaderDesk::Update(const etcdserverpb::MemberUpdateRequest& request, AnswerDone done) {
  if (!membership_.IsMember(request.id())) return std::move(done)(errors::MemberNotFound());
  kv::Command command;
  auto& moved = *command.mutable_member_change()->mutable_move();
  moved.set_id(request.id());
  *moved.mutable_peerurls() = request.peerurls();
  sequencer_.Propose(std::move(command),
                     [this, done = std::move(done)](const kv::Outcome& outcome) mutable {
                       if (!outcome.status.ok()) return std::move(done)(outcome.status);
                       Answer answer;
                       ListInto(membership_, *answer.mutable_member_update());
                       std::move(done)(std::move(answer));
                     });
}

// Whoever discards its data must not go on under its old identity: what it has voted for and
// acknowledged would be forgotten. Can be repeated, wherever it was interrupted.
void LeaderDesk::Rebuild(const peer::JoinRequest& request, AnswerDone done) {
  const uint64_t id = membership_.IdAt(request.address());
  if (id == 0) return AddAt(request.address(), std::move(done));
  if (membership_.DiskOf(id) == 0) {
    Answer answer;
    answer.mutable_rebuild()->set_cluster_id(membership_.cluster_id());
    answer.mutable_rebuild()->set_member_id(id);
    return std::move(done)(std::move(answer));
  }
  Remove(id, [this, address = request.address(),
              done = std::move(done)](const Result<Answer>& removed) mutable {
    if (!removed.ok()) return std::move(done)(removed.status());
    AddAt(address, std::move(done));
  });
}

void LeaderDesk::AddAt(const std::string& address, AnswerDone done) {
  etcdserverpb::MemberAddRequest request;
  request.add_peerurls("http://" + address);
  Add(request, [this, done = std::move(done)](Result<Answer> added) mutable {
    if (!added.ok()) return std::move(done)(added.status());
    Answer answer;
    answer.mutable_rebuild()->set_cluster_id(membership_.cluster_id());
    answer.mutable_rebuild()->set_member_id(added->member_add().member().id());
    std::move(done)(std::move(answer));
  });
}

void LeaderDesk::GiveUpOffice() {
  if (!sequencer_.leads()) return;
  sequencer_.node().Describe([this](Result<replication::Node::Details> details) {
    if (!details.ok()) return;
    raft::NodeId best = raft::kNobody;
    raft::Index best_match;
    for (const raft::PeerProgress& peer : details->peers) {
      const bool able = peer.active && !peer.learner && peer.id != details->summary.standing.leader;
      if (!able || (best != raft::kNobody && peer.match <= best_match)) continue;
      best = peer.id;
      best_match = peer.match;
    }
    if (best != raft::kNobody)
      sequencer_.node().TransferLeadership(best, [](const Result<raft::Term>&) {});
  });
}

// Another change under way, or a leader that has not settled in: as if there were no leader yet.
void LeaderDesk::Change(ConfStep::Op op, uint64_t id, const kv::Command& context,
                        std::function<Answer()> fill, AnswerDone done) {
  raft::ConfChange change;
  change.steps = {{op, raft::NodeId(id)}};
  change.context = raft::Payload(context.SerializeAsString());
  sequencer_.node().ChangeMembers(
      std::move(change),
      [fill = std::move(fill), done = std::move(done)](const Result<std::any>& result) mutable {
        if (result.ok()) return std::move(done)(fill());
        const Code code = result.status().code();
        const bool later = code == Code::kUnavailable || code == Code::kFailedPrecondition;
        std::move(done)(later ? errors::NotLeader() : result.status());
      });
}

// ---- by itself ----

void LeaderDesk::Tick() {
  const int64_t now_ns = clock_.MonotonicNs();
  if (now_ns < next_look_ns_ || sequencer_.leader() == 0) return;
  next_look_ns_ = now_ns + kLookEveryNs;
  IntroduceSelf();
  if (!sequencer_.leads()) return;
  PromoteReady();
  TakeBackAlarms();
}

void LeaderDesk::IntroduceSelf() {
  if (introducing_.exchange(true)) return;
  auto command = membership_.Introduction();
  if (!command) {
    introducing_ = false;
    return;
  }
  sequencer_.Propose(*std::move(command), [this](const kv::Outcome& outcome) {
    introducing_ = false;
    if (outcome.status.code() == Code::kFailedPrecondition) {
      base::log::Error("member.other_disk", {{"reason", outcome.status.message()}});
    }
  });
}

void LeaderDesk::PromoteReady() {
  const auto awaiting = membership_.AwaitingPromotion();
  if (awaiting.empty() || promoting_.exchange(true)) return;
  const uint64_t id = awaiting.front();
  Promote(id, [this, id](const Result<Answer>& answer) {
    promoting_ = false;
    if (answer.ok()) base::log::Info("member.promoted", {{"member", id}});
  });
}

// A member that differed is no more, so that nothing is wrong any more. By a command of its own,
// and not as a part of the removal: all members do the same then, also those of an earlier version.
void LeaderDesk::TakeBackAlarms() {
  for (const auto& alarm : mvcc_.RaisedAlarms()) {
    const uint64_t id = alarm.memberid();
    if (alarm.alarm() != etcdserverpb::CORRUPT || id == 0 || membership_.IsMember(id)) continue;
    kv::Command command;
    command.mutable_alarm()->set_action(etcdserverpb::AlarmRequest::DEACTIVATE);
    command.mutable_alarm()->set_alarm(alarm.alarm());
    command.mutable_alarm()->set_memberid(id);
    sequencer_.Propose(std::move(command), [](const kv::Outcome&) {});
  }
}

}  // namespace matricula::store
