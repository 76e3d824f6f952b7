#include "common/replication/node.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/base/ensure.h"
#include "common/base/heartbeat.h"
#include "common/base/work_times.h"

namespace matricula::replication {
namespace {

using base::Code;
using base::MutexLock;
using base::Result;
using base::Status;

constexpr int64_t kNsPerMs = 1'000'000;

Status Stopping() { return {Code::kUnavailable, "this replica is stopping"}; }

// Who can take over at once: the voter with the longest log among those that answer.
raft::NodeId BestSuccessor(const raft::Core& core) {
  raft::NodeId best = raft::kNobody;
  raft::Index best_match;
  for (const raft::PeerProgress& peer : core.peers()) {
    if (peer.id == core.config().id || peer.learner || !peer.active) continue;
    if (best == raft::kNobody || peer.match > best_match) {
      best = peer.id;
      best_match = peer.match;
    }
  }
  return best;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::Start(Options options, LogStore& log, Transport& transport,
                                          StateMachine& state_machine, const base::Clock& clock) {
  Result<std::unique_ptr<Driver>> driver =
      Driver::Open(options.driver, log, transport, state_machine);
  if (!driver.ok()) return driver.status();
  return std::unique_ptr<Node>(new Node(std::move(options), std::move(driver).value(), clock));
}

Node::Node(Options options, std::unique_ptr<Driver> driver, const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      inbox_({options_.max_queued_calls, options_.max_queued_call_bytes,
              options_.max_queued_messages, options_.max_queued_message_bytes},
             options_.helper != nullptr),
      driver_(std::move(driver)),
      preparer_([this](std::shared_ptr<SnapshotSource> source, Status status) {
        // If the thread is gone, so is whoever wanted the snapshot.
        (void)inbox_.AddTask([source = std::move(source), status = std::move(status)](
                                 Driver& here) { here.SnapshotPrepared(source, status); });
      }),
      next_tick_ns_(clock.MonotonicNs() + options_.tick_ms * kNsPerMs) {
  {
    const MutexLock lock(crank_->mutex);
    crank_->node = this;
  }
  Publish();
  thread_ = std::thread([this] { Run(); });
}

Node::~Node() { Stop(0); }

void Node::Propose(std::string command, Driver::ProposalDone done) {
  inbox_.AddProposal(std::move(command), std::move(done));
}

void Node::Read(Driver::ReadDone done) {
  if (inbox_.AddRead(std::move(done))) CallHelper();
}

void Node::ChangeMembers(raft::ConfChange change, Driver::ProposalDone done) {
  auto shared = std::make_shared<Driver::ProposalDone>(std::move(done));
  const bool taken = inbox_.AddTask([change = std::move(change), shared](Driver& driver) mutable {
    driver.ChangeMembers(std::move(change), std::move(*shared));
  });
  if (!taken) std::move (*shared)(Stopping());
}

void Node::TransferLeadership(raft::NodeId target, base::Done<raft::Term> done) {
  auto shared = std::make_shared<base::Done<raft::Term>>(std::move(done));
  const bool taken = inbox_.AddTask([this, target, shared](Driver& driver) {
    switch (driver.TransferLeadership(target)) {
      case raft::TransferOutcome::kStarted:
        transfers_.push_back(
            {target, 2 * driver.core().config().election_ticks, std::move(*shared)});
        break;
      case raft::TransferOutcome::kAlreadyLeader:
        std::move (*shared)(driver.core().standing().term);
        break;
      case raft::TransferOutcome::kNotLeader:
        std::move (*shared)(Status(Code::kFailedPrecondition, "this replica does not lead"));
        break;
      case raft::TransferOutcome::kNotVoter:
        std::move (*shared)(Status(Code::kFailedPrecondition, "the successor cannot lead"));
        break;
    }
  });
  if (!taken) std::move (*shared)(Stopping());
}

void Node::Describe(base::Done<Details> done) {
  auto shared = std::make_shared<base::Done<Details>>(std::move(done));
  const bool taken = inbox_.AddTask([this, shared](Driver& driver) {
    std::move (*shared)(Details{Summarize(), driver.core().conf(), driver.core().peers()});
  });
  if (!taken) std::move (*shared)(Stopping());
}

void Node::Receive(raft::Message message) {
  if (inbox_.AddMessage(std::move(message))) CallHelper();
}

void Node::PeerUnreachable(raft::NodeId peer) {
  (void)inbox_.AddTask([peer](Driver& driver) { driver.PeerUnreachable(peer); });
}

void Node::PeerGone(raft::NodeId peer) {
  (void)inbox_.AddTask([peer](Driver& driver) { driver.PeerGone(peer); });
}

Node::Summary Node::summary() const {
  const MutexLock lock(mutex_);
  return summary_;
}

// One batch after the other. What is waiting goes in before every output, so that all that came
// during one sync shares the next.
void Node::Run() {
  const base::Heartbeat heartbeat("raft");
  bool busy = false;
  while (!inbox_.quitting()) {
    base::Heartbeat::Beat();
    inbox_.Await(busy ? 0 : UntilNextTick());
    const MutexLock lock(crank_->mutex);
    busy = Turn();
  }
  End();
}

// True if there is more to do.
bool Node::Turn() {
  // The status of both is looked at below, where every failure comes by.
  if (std::exchange(unfinished_, false)) (void)driver_->Finish();
  Feed(inbox_.Take());
  TickIfDue();
  const bool worked = driver_->Begin();
  if (worked) {
    (void)driver_->Finish();
  } else {
    driver_->KeepHouse();
  }
  if (!preparer_.busy()) {
    if (auto source = driver_->TakeSnapshotToPrepare()) preparer_.Prepare(std::move(source));
  }
  Publish();
  SettleTransfers();
  if (!driver_->failure().ok() && !std::exchange(told_fatal_, true) && options_.on_fatal) {
    options_.on_fatal(driver_->failure());
  }
  return worked || driver_->HasHousekeeping();
}

void Node::End() {
  const MutexLock lock(crank_->mutex);
  crank_->node = nullptr;
  Feed(inbox_.Take());
  for (Transfer& transfer : transfers_) std::move(transfer.done)(Stopping());
  transfers_.clear();
  driver_.reset();
}

void Node::CallHelper() {
  options_.helper([crank = crank_] {
    // Whoever has it looks at the queue before it sleeps.
    if (!crank->mutex.TryLock()) return;
    if (crank->node != nullptr) crank->node->Talk();
    crank->mutex.Unlock();
  });
}

// The helper's turn. The thread sleeps, or is about to; it is woken for everything but talk.
void Node::Talk() {
  if (unfinished_ || driver_->HasHousekeeping() || !driver_->failure().ok()) return inbox_.Wake();
  std::optional<Inbox::Content> talk = inbox_.TakeTalk();
  if (!talk) return;
  Feed(std::move(*talk));
  if (driver_->Begin()) {
    unfinished_ = !driver_->OnlyTalk();
    if (!unfinished_) driver_->FinishTalk();
  }
  if (unfinished_ || !driver_->failure().ok()) inbox_.Wake();
}

void Node::Feed(Inbox::Content content) {
  for (const raft::Message& message : content.messages) driver_->Receive(message);
  if (!content.proposals.empty()) base::work_times::NoteTaken();
  for (Inbox::Proposal& proposal : content.proposals) {
    driver_->Propose(std::move(proposal.command), std::move(proposal.done));
  }
  for (Driver::ReadDone& read : content.reads) driver_->Read(std::move(read));
  for (Inbox::Task& task : content.tasks) std::move(task)(*driver_);
}

// Ticks that a long sync has swallowed are not made up for: many at once would look to the core
// like a long silence of everybody else.
void Node::TickIfDue() {
  const int64_t now_ns = clock_.MonotonicNs();
  if (now_ns < next_tick_ns_) return;
  const int64_t interval_ns = options_.tick_ms * kNsPerMs;
  next_tick_ns_ = std::max(next_tick_ns_ + interval_ns, now_ns);
  driver_->Tick();
  for (Transfer& transfer : transfers_) --transfer.ticks_left;
}

int64_t Node::UntilNextTick() const {
  return std::max<int64_t>(next_tick_ns_ - clock_.MonotonicNs(), 0);
}

Node::Summary Node::Summarize() const {
  const raft::Core& core = driver_->core();
  return {core.standing(), core.first_index(), core.last_index(), core.commit(),
          core.applied(),  driver_->waiting(), driver_->counts(), driver_->failure()};
}

void Node::Publish() {
  Summary now = Summarize();
  const MutexLock lock(mutex_);
  const bool news = now.standing != summary_.standing || now.waiting == 0;
  summary_ = std::move(now);
  if (news) published_.NotifyAll();
}

void Node::SettleTransfers() {
  const raft::Standing standing = driver_->core().standing();
  for (size_t i = 0; i < transfers_.size();) {
    Transfer& transfer = transfers_[i];
    const bool arrived = standing.leader == transfer.target;
    if (!arrived && transfer.ticks_left > 0) {
      ++i;
      continue;
    }
    base::Done<raft::Term> done = std::move(transfer.done);
    transfers_.erase(transfers_.begin() + static_cast<ptrdiff_t>(i));
    if (arrived) {
      std::move(done)(standing.term);
    } else {
      std::move(done)(Status(Code::kDeadlineExceeded, "leadership was not taken over in time"));
    }
  }
}

void Node::Stop(int64_t patience_ms) {
  if (!thread_.joinable()) return;
  ENSURE(std::this_thread::get_id() != thread_.get_id(), "a node's thread cannot stop itself");
  inbox_.Close();
  if (patience_ms > 0) {
    HandOver();
    WaitForHandOver(patience_ms);
  }
  inbox_.Quit();
  thread_.join();
}

void Node::HandOver() {
  (void)inbox_.AddTask([this](Driver& driver) {
    const raft::NodeId successor = BestSuccessor(driver.core());
    const bool started = successor != raft::kNobody &&
                         driver.TransferLeadership(successor) == raft::TransferOutcome::kStarted;
    const MutexLock lock(mutex_);
    hand_over_ = started ? HandOverState::kStarted : HandOverState::kNobodyThere;
  });
}

// Who waits for a proposal learns its outcome from the successor's first entries.
void Node::WaitForHandOver(int64_t patience_ms) {
  const int64_t deadline_ns = clock_.MonotonicNs() + patience_ms * kNsPerMs;
  const MutexLock lock(mutex_);
  while (true) {
    const bool over =
        hand_over_ == HandOverState::kNobodyThere ||
        (hand_over_ == HandOverState::kStarted && summary_.standing.role != raft::Role::kLeader);
    const int64_t left_ns = deadline_ns - clock_.MonotonicNs();
    if ((over && summary_.waiting == 0) || !summary_.failure.ok() || left_ns <= 0) return;
    published_.WaitFor(mutex_, std::chrono::nanoseconds(left_ns));
  }
}

}  // namespace matricula::replication
