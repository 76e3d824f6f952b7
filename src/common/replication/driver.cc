#include "common/replication/driver.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/base/ensure.h"
#include "common/replication/envelope.h"
#include "common/replication/mutant.h"

namespace matricula::replication {
namespace {

using base::Code;
using base::Result;
using base::Status;

// Of the proposals that are shown to the core in one call: they are taken or refused together, and
// travel to a leader elsewhere in one message.
constexpr size_t kMaxSliceBytes = size_t{1} << 20;

// Raises the term if a snapshot's last entry is of a later one; a vote belongs to its term.
raft::HardState AtLeast(raft::HardState state, const raft::SnapshotMeta& applied) {
  if (state.term < applied.term) state = {applied.term, raft::kNobody, state.commit};
  state.commit = std::max(state.commit, applied.index);
  return state;
}

Status RefusalOf(const raft::Proposed& proposed) {
  switch (proposed.outcome) {
    case raft::ProposeOutcome::kNoLeader:
      return {Code::kUnavailable, "no leader is known"};
    case raft::ProposeOutcome::kTransferring:
      return {Code::kUnavailable, "leadership is being handed over"};
    case raft::ProposeOutcome::kOverloaded:
      return {Code::kResourceExhausted, "too much is waiting to be agreed on"};
    case raft::ProposeOutcome::kTooLarge:
      return {Code::kInvalidArgument, "the command is too large"};
    case raft::ProposeOutcome::kNotLeader:
      return {Code::kFailedPrecondition, "only the leader changes the membership"};
    case raft::ProposeOutcome::kChangePending:
      return {Code::kFailedPrecondition, "another change of the membership is under way"};
    case raft::ProposeOutcome::kInvalidChange:
      return {Code::kInvalidArgument, proposed.reason};
    case raft::ProposeOutcome::kAppended:
    case raft::ProposeOutcome::kForwarded:
      break;
  }
  ENSURE(false, "a proposal that was taken is no refusal");
}

// Nobody would tell it what becomes of what it asks for.
Status Removed() { return {Code::kUnavailable, "this replica is no member of the group"}; }

bool IsTaken(const raft::Proposed& proposed) {
  return proposed.outcome == raft::ProposeOutcome::kAppended ||
         proposed.outcome == raft::ProposeOutcome::kForwarded;
}

}  // namespace

Driver::Driver(Options options, LogStore& log, Transport& transport, StateMachine& state_machine)
    : options_(std::move(options)),
      log_(log),
      transport_(transport),
      state_machine_(state_machine) {}

Driver::~Driver() {
  if (failure_.ok()) Fail({Code::kUnavailable, "this replica has stopped"});
}

Result<std::unique_ptr<Driver>> Driver::Open(Options options, LogStore& log, Transport& transport,
                                             StateMachine& state_machine) {
  RETURN_IF_ERROR(raft::Validate(options.raft));
  std::unique_ptr<Driver> driver(new Driver(std::move(options), log, transport, state_machine));
  Status status = driver->Start();
  if (!status.ok()) {
    driver->Fail(status);
    return status;
  }
  return driver;
}

Status Driver::Start() {
  applied_ = state_machine_.Applied();
  const Result<uint64_t> incarnation = log_.NewIncarnation();
  if (!incarnation.ok()) return incarnation.status();
  options_.raft.incarnation = *incarnation;
  if (*incarnation == 1 && applied_.index.value() > 0) {
    return {Code::kDataLoss, "there is a state, but its raft log is gone"};
  }
  RETURN_IF_ERROR(Reconcile());
  if (applied_ == raft::SnapshotMeta{} && options_.first_conf != raft::ConfState{}) {
    applied_.conf = options_.first_conf;
    RETURN_IF_ERROR(state_machine_.Apply({}, applied_));
    RETURN_IF_ERROR(state_machine_.Sync());
  }
  // What an earlier process has applied may still wait for its sync; that of the log just now is
  // one only if both are one engine.
  durable_applied_ = options_.one_engine ? applied_.index : raft::Index(0);
  raft::Restored restored{log_.hard_state(), applied_.index, applied_.conf};
  if (MutantIs(66) && applied_.index + 1 > log_.FirstIndex()) {
    restored.applied = applied_.index - 1;
  }
  RETURN_IF_ERROR(raft::CheckRestored(restored, log_));
  core_ = std::make_unique<raft::Core>(options_.raft, restored, log_);
  return log_.ReadStatus();
}

// Log and state machine are written one after the other, so a crash may leave them apart.
Status Driver::Reconcile() {
  if (log_.FirstIndex() > applied_.index + 1) {
    return {Code::kDataLoss, "the state lacks entries that the log has no more"};
  }
  // The state machine is ahead only if a snapshot was installed and the log not yet told.
  const bool ahead = log_.LastIndex() < applied_.index;
  if (ahead || log_.TermAt(applied_.index) != applied_.term) {
    return log_.Reset(applied_.index, applied_.term, AtLeast(log_.hard_state(), applied_), {});
  }
  return {};
}

void Driver::Fail(Status status) {
  ENSURE(!status.ok(), "a failure needs a reason");
  failure_ = std::move(status);
  in_hand_.reset();
  const Status stopped(Code::kUnavailable, "this replica has stopped");
  for (Proposal& proposal : std::exchange(proposals_, {})) std::move(proposal.done)(stopped);
  waiters_.AbandonAll("this replica stopped before the outcome");
  auto asked = std::exchange(asked_reads_, {});
  auto confirmed = std::exchange(confirmed_reads_, {});
  for (ReadDone& done : std::exchange(reads_, {})) std::move(done)(stopped);
  for (auto& [ticket, dones] : asked) {
    for (ReadDone& done : dones) std::move(done)(stopped);
  }
  for (auto& [index, dones] : confirmed) {
    for (ReadDone& done : dones) std::move(done)(stopped);
  }
}

void Driver::Tick() {
  if (!failure_.ok()) return;
  ++now_tick_;
  core_->Tick();
  waiters_.OnTick(now_tick_);
}

void Driver::Receive(const raft::Message& message) {
  if (!failure_.ok()) return;
  Status status = core_->Step(message);
  if (status.ok()) return;
  if (status.code() == Code::kDataLoss) {
    Fail(std::move(status));
  } else {
    ++counts_.refused_messages;
  }
}

void Driver::PeerUnreachable(raft::NodeId peer) {
  if (failure_.ok()) core_->PeerUnreachable(peer);
}

void Driver::PeerGone(raft::NodeId peer) {
  if (failure_.ok()) core_->PeerGone(peer);
}

void Driver::Propose(std::string command, ProposalDone done) {
  if (!failure_.ok()) {
    std::move(done)(Status(Code::kUnavailable, "this replica has stopped"));
  } else if (proposals_.size() + waiters_.size() >= options_.max_proposals) {
    std::move(done)(Status(Code::kResourceExhausted, "too many proposals are waiting"));
  } else {
    proposals_.push_back({std::move(command), std::move(done)});
  }
}

void Driver::Read(ReadDone done) {
  if (!failure_.ok()) {
    std::move(done)(Status(Code::kUnavailable, "this replica has stopped"));
  } else if (reads_.size() >= options_.max_proposals) {
    std::move(done)(Status(Code::kResourceExhausted, "too many reads are waiting"));
  } else {
    reads_.push_back(std::move(done));
  }
}

void Driver::ChangeMembers(raft::ConfChange change, ProposalDone done) {
  if (!failure_.ok()) {
    std::move(done)(Status(Code::kUnavailable, "this replica has stopped"));
    return;
  }
  SubmitProposals();
  const uint64_t number = ++last_number_;
  change.context =
      Seal({options_.raft.id, options_.raft.incarnation, number}, change.context.view());
  const raft::Proposed proposed = core_->ProposeConfChange(change);
  if (!IsTaken(proposed)) {
    std::move(done)(RefusalOf(proposed));
    return;
  }
  waiters_.Add(number, proposed.term, now_tick_ + options_.proposal_timeout_ticks, std::move(done));
}

raft::TransferOutcome Driver::TransferLeadership(raft::NodeId target) {
  return failure_.ok() ? core_->TransferLeadership(target) : raft::TransferOutcome::kNotLeader;
}

bool Driver::IsRemoved() const {
  return applied_.conf != raft::ConfState{} && !applied_.conf.IsMember(options_.raft.id);
}

void Driver::SubmitProposals() {
  std::vector<Proposal> waiting = std::exchange(proposals_, {});
  if (IsRemoved()) {
    for (Proposal& proposal : waiting) std::move(proposal.done)(Removed());
    return;
  }
  for (size_t first = 0; first < waiting.size();) {
    size_t end = first;
    size_t bytes = 0;
    do {
      bytes += waiting[end++].command.size() + kEnvelopeBytes;
    } while (end < waiting.size() &&
             bytes + waiting[end].command.size() + kEnvelopeBytes <= kMaxSliceBytes);
    SubmitSlice(std::span(waiting).subspan(first, end - first));
    first = end;
  }
}

void Driver::SubmitSlice(std::span<Proposal> slice) {
  const uint64_t first = last_number_ + 1;
  std::vector<raft::Payload> payloads;
  payloads.reserve(slice.size());
  for (const Proposal& proposal : slice) {
    payloads.push_back(
        Seal({options_.raft.id, options_.raft.incarnation, ++last_number_}, proposal.command));
  }
  const raft::Proposed proposed = core_->Propose(std::move(payloads));
  if (!IsTaken(proposed)) {
    const Status refusal = RefusalOf(proposed);
    for (Proposal& proposal : slice) std::move(proposal.done)(refusal);
    return;
  }
  const int64_t deadline_tick = now_tick_ + options_.proposal_timeout_ticks;
  for (size_t i = 0; i < slice.size(); ++i) {
    waiters_.Add(first + i, proposed.term, deadline_tick, std::move(slice[i].done));
    if (MutantIs(61)) waiters_.Complete(first + i, {});
  }
  if (proposed.outcome == raft::ProposeOutcome::kForwarded) {
    waiters_.AddForwarded(proposed.ticket.number, first, slice.size());
  }
}

// All reads that wait now share one ticket: whatever was acknowledged before any of them was asked
// for was acknowledged before the ticket was drawn.
void Driver::SubmitReads() {
  if (reads_.empty()) return;
  std::vector<ReadDone> dones = std::exchange(reads_, {});
  if (IsRemoved()) {
    for (ReadDone& done : dones) std::move(done)(Removed());
    return;
  }
  const raft::ReadTicket drawn = core_->ReadIndex();
  if (drawn.ticket) {
    asked_reads_.emplace(*drawn.ticket, std::move(dones));
    return;
  }
  for (ReadDone& done : dones) {
    std::move(done)(Status(Code::kUnavailable, "no leader is known, or too many reads wait"));
  }
}

bool Driver::Begin() {
  ENSURE(!in_hand_, "the last output has not been finished");
  if (!failure_.ok()) return false;
  SubmitProposals();
  SubmitReads();
  raft::Output output = core_->TakeOutput();
  // The core cannot tell an entry that is not there from one that cannot be read.
  if (Status status = log_.ReadStatus(); !status.ok()) {
    Fail(std::move(status));
    return false;
  }
  if (output.Empty()) return false;
  in_hand_ = std::move(output);
  for (raft::Message& message : in_hand_->early_messages) transport_.Send(std::move(message));
  if (MutantIs(51)) SendLate();
  return true;
}

bool Driver::NeedsSync() const { return in_hand_ && in_hand_->NeedsSync(); }

Status Driver::Finish() {
  if (!failure_.ok()) return failure_;
  ENSURE(in_hand_, "there is no output to be finished");
  const bool applies = !in_hand_->committed.empty();
  Status status = CarryOut();
  in_hand_.reset();
  if (!status.ok()) {
    Fail(status);
    return status;
  }
  housekeeping_ = housekeeping_ || applies;
  KeepHouse();
  return failure_;
}

void Driver::FinishTalk() {
  ENSURE(OnlyTalk(), "there is more to be done than to talk");
  AnswerReads();
  in_hand_.reset();
}

void Driver::KeepHouse() {
  if (!HasHousekeeping()) return;
  const Result<bool> more = state_machine_.KeepHouse();
  if (!more.ok()) return Fail(more.status());
  housekeeping_ = *more;
}

}  // namespace matricula::replication
