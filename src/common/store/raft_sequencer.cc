#include "common/store/raft_sequencer.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "common/base/heartbeat.h"
#include "common/base/log.h"
#include "common/kv/errors.h"

namespace matricula::store {

namespace errors = kv::errors;
using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int kHeartbeatTicks = 2;
// 600 to 1200 ms: a few lost heartbeats or a slow sync elect nobody.
constexpr int kElectionTicks = 12;
constexpr int kProposalTimeoutTicks = 100;  // 5 s

uint64_t Seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

// A command on its way, kept to be proposed again.
struct RaftSequencer::Call {
  std::string bytes;
  Completion completion;
  int64_t deadline_ns;
  bool physical;  // a compaction that answers when all is cleaned up
};

// ---- life ----

Result<std::unique_ptr<RaftSequencer>> RaftSequencer::Open(Options options, storage::Engine& engine,
                                                           kv::ReplicatedMvcc& machine,
                                                           kv::Lessor& lessor,
                                                           replication::Transport& transport,
                                                           const base::Clock& clock) {
  std::unique_ptr<RaftSequencer> sequencer(
      new RaftSequencer(std::move(options), machine, lessor, transport, clock));
  RETURN_IF_ERROR(sequencer->OpenLog(engine));
  return sequencer;
}

RaftSequencer::RaftSequencer(Options options, kv::ReplicatedMvcc& machine, kv::Lessor& lessor,
                             replication::Transport& transport, const base::Clock& clock)
    : options_(std::move(options)),
      machine_(machine),
      lessor_(lessor),
      clock_(clock),
      transport_(transport),
      leaderless_since_ns_(clock.MonotonicNs()),
      patience_(clock) {}

Status RaftSequencer::OpenLog(storage::Engine& engine) {
  auto log = replication::EngineLogStore::Open(engine);
  RETURN_IF_ERROR(log.status());
  log_ = std::move(log).value();
  const uint64_t applied = machine_.mvcc().applied_index();
  if (!machine_.HasHistory() && applied > 0) {
    // What one member has done alone counts as agreed on; its log begins after it. Repeated if a
    // crash comes in between.
    const raft::ConfState alone{{raft::NodeId(options_.member_id)}, {}, {}, {}, false};
    RETURN_IF_ERROR(log_->NewIncarnation().status());
    RETURN_IF_ERROR(log_->Reset(raft::Index(applied), raft::Term(1),
                                raft::HardState{raft::Term(1), raft::kNobody, raft::Index(applied)},
                                {}));
    RETURN_IF_ERROR(machine_.Adopt(raft::Term(1), alone));
  }
  return {};
}

Status RaftSequencer::Start() {
  replication::Node::Options options = NodeOptions();
  const raft::ConfState found = machine_.Applied().conf;
  if (options_.on_conf) {
    options_.on_conf(found == raft::ConfState() ? options.driver.first_conf : found);
  }
  auto node = replication::Node::Start(std::move(options), *log_, transport_, machine_, clock_);
  RETURN_IF_ERROR(node.status());
  node_ = std::move(node).value();
  thread_ = std::thread([this] { Run(); });
  return {};
}

replication::Node::Options RaftSequencer::NodeOptions() {
  replication::Node::Options options;
  options.tick_ms = static_cast<int>(kTickMs);
  options.on_fatal = options_.on_fatal;
  options.helper = options_.helper;
  options.driver.raft.id = raft::NodeId(options_.member_id);
  options.driver.raft.seed = Seed();
  options.driver.raft.heartbeat_ticks = kHeartbeatTicks;
  options.driver.raft.election_ticks = kElectionTicks;
  options.driver.raft.compaction_margin = options_.log_margin_entries;
  options.driver.max_log_bytes = options_.max_log_bytes;
  options.driver.one_engine = true;
  options.driver.proposal_timeout_ticks = kProposalTimeoutTicks;
  for (const uint64_t founder : options_.founders) {
    options.driver.first_conf.voters.emplace_back(founder);
  }
  std::sort(options.driver.first_conf.voters.begin(), options.driver.first_conf.voters.end());
  options.driver.on_standing = [this](const raft::Standing& standing) { OnStanding(standing); };
  return options;
}

RaftSequencer::~RaftSequencer() { Stop(); }

void RaftSequencer::Stop() {
  if (stopped_.exchange(true) || !node_) return;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyOne();
  }
  thread_.join();
  node_->Stop(kHandOverMs);
  patience_.Close();
  for (auto& [completion, outcome] : awaiting_clean_up_) std::move(completion)(std::move(outcome));
  awaiting_clean_up_.clear();
}

void RaftSequencer::Retire() {
  retired_ = true;
  patience_.Close();
}

// ---- changes ----

SequencerStats RaftSequencer::stats() const {
  SequencerStats stats;
  stats.proposed = proposed_.Get();
  stats.failed = failed_.Get();
  stats.pending = node_->summary().waiting;
  stats.leader_changes = leader_changes_.Get();
  stats.elections = elections_.Get();
  return stats;
}

void RaftSequencer::Propose(kv::Command command, Completion completion) {
  proposed_.Add();
  auto call = std::make_shared<Call>(Call{command.SerializeAsString(), std::move(completion),
                                          DeadlineNs(), command.compaction().physical()});
  Submit(std::move(call));
}

void RaftSequencer::Submit(std::shared_ptr<Call> call) {
  std::string bytes = call->bytes;
  node_->Propose(std::move(bytes), [this, call = std::move(call)](Result<std::any> result) {
    Settle(call, std::move(result));
  });
}

// Unavailable is certain: it had no effect and never will.
void RaftSequencer::Settle(const std::shared_ptr<Call>& call, Result<std::any> result) {
  if (result.ok()) {
    kv::Outcome outcome = std::any_cast<kv::Outcome>(std::move(*result));
    if (call->physical && outcome.status.ok()) {
      awaiting_clean_up_.emplace_back(std::move(call->completion), std::move(outcome));
    } else {
      std::move(call->completion)(std::move(outcome));
    }
    return;
  }
  switch (result.status().code()) {
    case Code::kUnavailable:
      patience_.Wait(
          call->deadline_ns, [this, call] { Submit(call); },
          [this, call] {
            failed_.Add();
            std::move(call->completion)({LostStatus(), {}});
          });
      return;
    case Code::kResourceExhausted:
      std::move(call->completion)({errors::TooManyRequests(), {}});
      break;
    case Code::kInvalidArgument:
      std::move(call->completion)({errors::RequestTooLarge(), {}});
      break;
    default:
      std::move(call->completion)({result.status(), {}});
  }
  failed_.Add();
}

void RaftSequencer::OnClean() {
  for (auto& [completion, outcome] : std::exchange(awaiting_clean_up_, {})) {
    std::move(completion)(std::move(outcome));
  }
}

Status RaftSequencer::LostStatus() const {
  return stopped_ || retired_ ? errors::Stopped() : errors::NoLeader();
}

// ---- reads ----

void RaftSequencer::AwaitCurrent(Barrier done) {
  Read(std::make_shared<Barrier>(std::move(done)), DeadlineNs());
}

void RaftSequencer::Read(std::shared_ptr<Barrier> done, int64_t deadline_ns) {
  node_->Read([this, done = std::move(done), deadline_ns](const Result<raft::Index>& index) {
    if (index.ok()) return std::move(*done)(Status());
    if (index.status().code() == Code::kResourceExhausted) {
      return std::move(*done)(errors::TooManyRequests());
    }
    patience_.Wait(
        deadline_ns, [this, done, deadline_ns] { Read(done, deadline_ns); },
        [this, done] { std::move (*done)(LostStatus()); });
  });
}

// ---- who leads ----

void RaftSequencer::OnStanding(const raft::Standing& standing) {
  const uint64_t leader = standing.leader.value();
  const bool led = leads();
  const uint64_t leader_before = leader_.load();
  const bool known = leader_before != 0;
  const bool now_leads = leader == options_.member_id;
  const raft::Role role_before = std::exchange(role_, standing.role);
  if (standing.role == raft::Role::kCandidate && role_before != raft::Role::kCandidate) {
    elections_.Add();
  }
  if (leader != 0 && leader != leader_before) leader_changes_.Add();
  if (now_leads && !led) {
    // Of the last keep-alives nothing is known here.
    const auto leases = machine_.mvcc().Leases();
    if (leases.ok()) lessor_.Reset(*leases);
  }
  leading_term_.store(now_leads ? standing.term.value() : 0, std::memory_order_release);
  term_.store(standing.term.value(), std::memory_order_release);
  leader_.store(leader, std::memory_order_release);
  if (known && leader == 0) leaderless_since_ns_ = clock_.MonotonicNs();
  if (now_leads && !led) {
    base::log::Info("raft.leads", {{"term", standing.term.value()}});
  } else if (leader != 0 && leader != leader_before) {
    base::log::Info("raft.follows", {{"leader", leader}, {"term", standing.term.value()}});
  } else if (leader == 0 && known) {
    base::log::Warning("raft.no_leader", {{"term", standing.term.value()}});
  }
  if (options_.on_leader && known != (leader != 0)) options_.on_leader(leader != 0);
  const MutexLock lock(mutex_);
  poked_ = true;
  wake_.NotifyOne();
}

bool RaftSequencer::Leaderless() const {
  return leader() == 0 &&
         clock_.MonotonicNs() - leaderless_since_ns_.load() > kPatienceMs * kNsPerMs;
}

int64_t RaftSequencer::DeadlineNs() const {
  return clock_.MonotonicNs() + (Leaderless() ? 0 : kPatienceMs * kNsPerMs);
}

// ---- the thread ----

void RaftSequencer::Run() {
  const base::Heartbeat heartbeat("raft-tick");
  while (true) {
    base::Heartbeat::Beat();
    if (options_.on_tick) options_.on_tick();
    patience_.Retry(leader() != 0);
    EndDueLeases();
    const MutexLock lock(mutex_);
    if (!stopping_ && !poked_) wake_.WaitFor(mutex_, std::chrono::milliseconds(kTickMs));
    if (stopping_) return;
    poked_ = false;
  }
}

// Counts in this term only: a later leader may have heard of keep-alives.
void RaftSequencer::EndDueLeases() {
  const uint64_t term = leading_term();
  if (term == 0) return;
  for (const int64_t lease : lessor_.TakeDue()) {
    kv::Command command;
    command.mutable_lease_revoke()->set_id(lease);
    command.set_only_in_term(term);
    // If it gets lost, the lease is due again soon.
    node_->Propose(command.SerializeAsString(), [](const Result<std::any>&) {});
  }
}

}  // namespace matricula::store
