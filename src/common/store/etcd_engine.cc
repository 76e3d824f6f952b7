#include "common/store/etcd_engine.h"

#include <grpc/support/time.h>

#include <algorithm>
#include <limits>

#include "common/store/etcd_scout.h"

namespace matricula::store {
namespace {

constexpr int64_t kFirstDelayMs = 25;
constexpr int64_t kMaxDelayMs = 800;
// gRPC cannot be told to stop watching a connection: this bounds how long a closing engine waits
// for it, and how late a waiting operation notices that its deadline has passed.
constexpr int64_t kConnectionWatchMs = 200;

base::Status Closing() { return {base::Code::kCancelled, "the store closes"}; }

}  // namespace

void* EtcdEvent::Arm(std::shared_ptr<void> owner) {
  ENSURE(!std::exchange(armed_, true), "an event is awaited once at a time");
  owner_ = std::move(owner);
  engine_.NoteArmed();
  return engine_.loop_->Ticket(*this);
}

void EtcdEvent::Complete(bool ok) {
  EtcdEngine& engine = engine_;
  ENSURE(std::exchange(armed_, false), "an event came that nobody awaits");
  std::shared_ptr<void> owner = std::move(owner_);
  handle_(ok);
  owner.reset();  // maybe this event's end
  engine.NoteDone();
}

EtcdOperation::EtcdOperation(EtcdEngine& engine, int64_t timeout_ms)
    : engine_(engine),
      deadline_ns_(timeout_ms == 0 ? 0 : engine.clock().MonotonicNs() + timeout_ms * 1'000'000),
      wake_(engine, [this](bool) { engine_.Dispatch(shared_from_this()); }) {}

void EtcdOperation::Cancel() {
  {
    base::MutexLock lock(mutex_);
    cancelled_ = true;
    alarm_.Cancel();
    if (context_) {
      context_->TryCancel();
    }
  }
  OnCancel();
}

void EtcdOperation::RunAttempt(EtcdEndpoint& endpoint) {
  bool cancelled = false;
  {
    base::MutexLock lock(mutex_);
    cancelled = cancelled_;
    if (!cancelled) {
      context_ = std::make_unique<grpc::ClientContext>();
    }
  }
  if (cancelled) {
    Abandon(Closing());
    return;
  }
  ++attempts_;
  endpoint_ = &endpoint;
  Attempt(endpoint);
}

void EtcdOperation::RetryLater(bool suspect_server, int64_t delay_ms) {
  if (suspect_server) {
    SuspectServer();
  }
  bool cancelled = false;
  {
    base::MutexLock lock(mutex_);
    cancelled = cancelled_;
    if (!cancelled) {
      alarm_.Set(engine_.queue(), gpr_time_from_millis(delay_ms, GPR_TIMESPAN),
                 wake_.Arm(shared_from_this()));
    }
  }
  if (cancelled) {
    Abandon(Closing());
  }
}

void EtcdOperation::Finished() { engine_.Forget(*this); }

void EtcdOperation::SetAttemptDeadline(int64_t limit_ms) {
  int64_t attempt_ms = RemainingMs();
  if (limit_ms != 0 && engine_.server_count() > 1) {
    attempt_ms = std::min(attempt_ms, limit_ms);
  }
  // A late attempt still asks once.
  context_->set_deadline(gpr_time_from_millis(std::max<int64_t>(attempt_ms, 1), GPR_TIMESPAN));
}

void EtcdOperation::RequireLeader() { context_->AddMetadata("hasleader", "true"); }

void EtcdOperation::SuspectServer() { engine_.Suspect(*endpoint_); }

int64_t EtcdOperation::RemainingMs() const {
  if (deadline_ns_ == 0) {
    return std::numeric_limits<int64_t>::max();
  }
  return (deadline_ns_ - engine_.clock().MonotonicNs()) / 1'000'000;
}

int64_t EtcdOperation::NextDelayMs() {
  const int64_t doublings = attempts_ - static_cast<int64_t>(engine_.server_count());
  if (doublings < 0) {
    return 0;
  }
  return engine_.Jittered(std::min(kMaxDelayMs, kFirstDelayMs << std::min<int64_t>(doublings, 6)));
}

EtcdEngine::EtcdEngine(const std::vector<std::string>& addresses,
                       const rpc::ChannelOptions& channel, size_t max_operations,
                       const std::shared_ptr<rpc::Loop>& loop, const base::Clock& clock)
    : clock_(clock),
      max_operations_(max_operations),
      server_count_(addresses.size()),
      own_loop_(loop == nullptr ? std::make_unique<rpc::LoopThread>() : nullptr),
      loop_(loop == nullptr ? own_loop_->loop() : loop),
      endpoints_(addresses, channel),
      watching_connection_(addresses.size(), false),
      random_(std::random_device()()) {
  for (size_t i = 0; i < addresses.size(); ++i) {
    connection_events_.push_back(
        std::make_unique<EtcdEvent>(*this, [this, i](bool) { OnConnectionChange(i); }));
  }
  if (addresses.size() > 1) {
    base::MutexLock lock(mutex_);
    std::vector<EtcdEndpoint*> all;
    for (size_t i = 0; i < endpoints_.size(); ++i) all.push_back(&endpoints_.at(i));
    scout_ = std::make_unique<EtcdScout>(*this, all,
                                         [this](const EtcdEndpoint* leader) { Prefer(leader); });
  }
}

EtcdEngine::~EtcdEngine() {
  std::vector<std::shared_ptr<EtcdOperation>> active;
  {
    base::MutexLock lock(mutex_);
    closing_ = true;
    active.assign(operations_.begin(), operations_.end());
  }
  for (const auto& operation : active) {
    operation->Cancel();
  }
  if (scout_) scout_->Close();
  active.clear();
  ReleaseWaiting();
  {
    base::MutexLock lock(mutex_);
    while (!operations_.empty()) {
      emptied_.Wait(mutex_);
    }
  }
  // The loop goes on: what it still does for this engine must have ended.
  {
    base::MutexLock lock(armed_mutex_);
    while (armed_events_ > 0) all_came_.Wait(armed_mutex_);
  }
  loop_->Flush();
}

void EtcdEngine::NoteArmed() {
  base::MutexLock lock(armed_mutex_);
  ++armed_events_;
}

void EtcdEngine::NoteDone() {
  base::MutexLock lock(armed_mutex_);
  if (--armed_events_ == 0) all_came_.NotifyAll();
}

base::Status EtcdEngine::Start(std::shared_ptr<EtcdOperation> operation) {
  {
    base::MutexLock lock(mutex_);
    if (closing_) {
      return Closing();
    }
    if (operations_.size() >= max_operations_) {
      return {base::Code::kResourceExhausted, "too many requests to the store are under way"};
    }
    operations_.insert(operation);
  }
  Dispatch(std::move(operation));
  return base::OkStatus();
}

void EtcdEngine::Dispatch(std::shared_ptr<EtcdOperation> operation) {
  EtcdEndpoint* endpoint = nullptr;
  bool closing = false;
  {
    base::MutexLock lock(mutex_);
    closing = closing_;
    if (!closing) {
      endpoint = endpoints_.Pick(clock_.MonotonicNs());
      if (endpoint == nullptr) {
        WatchConnections();
        waiting_.push_back(std::move(operation));
        return;
      }
    }
  }
  if (closing) {
    operation->Abandon(Closing());
  } else {
    operation->RunAttempt(*endpoint);
  }
}

void EtcdEngine::WatchConnections() {
  for (size_t i = 0; i < server_count_; ++i) {
    if (!watching_connection_[i]) {
      watching_connection_[i] = true;
      EtcdEndpoint& endpoint = endpoints_.at(i);
      endpoint.channel->NotifyOnStateChange(endpoint.state,
                                            gpr_time_from_millis(kConnectionWatchMs, GPR_TIMESPAN),
                                            queue(), connection_events_[i]->Arm(nullptr));
    }
  }
}

void EtcdEngine::OnConnectionChange(size_t index) {
  {
    base::MutexLock lock(mutex_);
    watching_connection_[index] = false;
  }
  ReleaseWaiting();
}

// Sends everybody who waits to where they can go on: a server, the end of their deadline, or back.
void EtcdEngine::ReleaseWaiting() {
  std::vector<std::shared_ptr<EtcdOperation>> released;
  EtcdEndpoint* endpoint = nullptr;
  bool closing = false;
  {
    base::MutexLock lock(mutex_);
    closing = closing_;
    if (waiting_.empty()) {
      return;
    }
    endpoint = closing ? nullptr : endpoints_.Pick(clock_.MonotonicNs());
    const auto stays = [&](const auto& operation) {
      return endpoint == nullptr && !closing && operation->RemainingMs() > 0;
    };
    const auto first_released = std::stable_partition(waiting_.begin(), waiting_.end(), stays);
    released.assign(std::make_move_iterator(first_released),
                    std::make_move_iterator(waiting_.end()));
    waiting_.erase(first_released, waiting_.end());
    if (!waiting_.empty()) {
      WatchConnections();
    }
  }
  for (const auto& operation : released) {
    if (endpoint != nullptr) {
      operation->RunAttempt(*endpoint);
    } else {
      operation->Abandon(
          closing ? Closing()
                  : base::Status(base::Code::kUnavailable, "no server of the store is reachable"));
    }
  }
}

void EtcdEngine::Suspect(EtcdEndpoint& endpoint) {
  base::MutexLock lock(mutex_);
  endpoints_.Suspect(endpoint, clock_.MonotonicNs());
}

void EtcdEngine::Prefer(const EtcdEndpoint* leader) {
  base::MutexLock lock(mutex_);
  endpoints_.Prefer(leader);
}

void EtcdEngine::Forget(EtcdOperation& operation) {
  std::shared_ptr<EtcdOperation> last;  // destroyed after the lock is given back
  base::MutexLock lock(mutex_);
  const auto found = operations_.find(operation.shared_from_this());
  ENSURE(found != operations_.end(), "an operation ended twice");
  last = *found;
  operations_.erase(found);
  if (operations_.empty()) {
    emptied_.NotifyAll();
  }
}

int64_t EtcdEngine::Jittered(int64_t ms) {
  base::MutexLock lock(mutex_);
  return ms / 2 + static_cast<int64_t>(random_() % static_cast<uint64_t>(ms + 1));
}

}  // namespace matricula::store
