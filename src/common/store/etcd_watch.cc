#include "common/store/etcd_watch.h"

#include <grpc/support/time.h>

#include <algorithm>

#include "common/base/log.h"
#include "common/store/etcd_judge.h"

namespace matricula::store {
namespace {

// A server that has not confirmed a watch by then is left for another one.
constexpr int64_t kCreationMs = 3'000;

// etcd before 3.4.25 and 3.5.8 answers a request for progress at once, also when events before it
// are still to come. Only a second answer, this much later and with no event in between, is
// believed; the server's own loop that brings watches up to date runs every 100 ms.
constexpr int kProgressAnswers = 2;
constexpr int64_t kProgressPauseMs = 150;
// The watch id of such an answer: it speaks for the whole stream.
constexpr int64_t kAllWatches = -1;

constexpr char kCompacted[] = "etcdserver: mvcc: required revision has been compacted";

}  // namespace

EtcdWatch::EtcdWatch(EtcdEngine& engine, const etcdserverpb::WatchCreateRequest& request,
                     WatchSink* sink)
    : EtcdOperation(engine, /*timeout_ms=*/0),
      request_(request),
      started_(engine, [this](bool ok) { OnStarted(ok); }),
      written_(engine, [this](bool ok) { OnWritten(ok); }),
      read_(engine, [this](bool ok) { OnRead(ok); }),
      finished_(engine, [this](bool) { OnFinished(); }),
      creation_timer_(engine, [this](bool expired) { OnCreationTimer(expired); }),
      kick_(engine, [this](bool) { OnKick(); }),
      sink_(sink),
      delivering_thread_(std::thread::id()) {
  request_.set_watch_id(0);
  request_.set_fragment(false);
  // Progress moves the point of resumption on while nothing happens, so that a compaction
  // meanwhile does not end the watch.
  request_.set_progress_notify(true);
}

void EtcdWatch::Close() {
  sink_.store(nullptr);
  if (delivering_thread_.load() != std::this_thread::get_id()) {
    base::MutexLock wait_for_delivery(delivery_);
  }
  Cancel();
}

void EtcdWatch::Refuse(const base::Status& status) {
  {
    base::MutexLock lock(flow_);
    ended_ = true;
  }
  DeliverEnd(status);
}

void EtcdWatch::OnCancel() {
  base::MutexLock lock(flow_);
  closing_ = true;
  if (paused_) {
    Kick(0);
  }
}

void EtcdWatch::Resume() {
  base::MutexLock lock(flow_);
  resume_ = true;
  if (paused_) {
    Kick(0);
  }
}

void EtcdWatch::RequestProgress() {
  base::MutexLock lock(flow_);
  ask_progress_ = true;
  Kick(0);
}

// ---- the stream ----

void EtcdWatch::Attempt(EtcdEndpoint& endpoint) {
  RequireLeader();
  reading_ = writing_ = leaving_ = stream_ended_ = timer_ended_ = created_ = false;
  creation_alarm_.Set(engine_.queue(), gpr_time_from_millis(kCreationMs, GPR_TIMESPAN),
                      creation_timer_.Arm(shared_from_this()));
  stream_ = endpoint.watch->PrepareAsyncWatch(context_.get(), engine_.queue());
  stream_->StartCall(started_.Arm(shared_from_this()));
}

void EtcdWatch::OnStarted(bool ok) {
  if (!ok) {
    Leave();
    return;
  }
  etcdserverpb::WatchRequest message;
  *message.mutable_create_request() = request_;
  Write(message);
  Read();
}

void EtcdWatch::Write(const etcdserverpb::WatchRequest& message) {
  writing_ = true;
  stream_->Write(message, written_.Arm(shared_from_this()));
}

void EtcdWatch::OnWritten(bool ok) {
  writing_ = false;
  if (!ok || leaving_) {
    Leave();  // a read under way ends with the stream
    return;
  }
  base::MutexLock lock(flow_);
  if (ask_progress_) {
    Kick(0);
  }
}

void EtcdWatch::Read() {
  reading_ = true;
  stream_->Read(&response_, read_.Arm(shared_from_this()));
}

void EtcdWatch::OnRead(bool ok) {
  reading_ = false;
  if (!ok || leaving_) {
    Leave();
  } else if (Take() == Course::kLeave) {
    context_->TryCancel();
    Leave();
  } else if (sink_wants_more_ || !StayPaused()) {
    Read();
  }
}

void EtcdWatch::Leave() {
  leaving_ = true;
  {
    base::MutexLock lock(flow_);
    paused_ = false;
  }
  if (!reading_ && !writing_) {
    stream_->Finish(&answer_, finished_.Arm(shared_from_this()));
  }
}

void EtcdWatch::OnFinished() {
  stream_.reset();
  stream_ended_ = true;
  creation_alarm_.Cancel();
  if (timer_ended_) {
    AttemptEnded();
  }
}

void EtcdWatch::OnCreationTimer(bool expired) {
  timer_ended_ = true;
  if (stream_ended_) {
    AttemptEnded();
  } else if (expired && !created_) {
    context_->TryCancel();
  }
}

void EtcdWatch::AttemptEnded() {
  const Judgement judgement = Judge(CallKind::kRead, answer_);
  if (end_.ok() && judgement.verdict == Verdict::kFinal &&
      judgement.status.code() != base::Code::kResourceExhausted) {
    end_ = judgement.status;
  }
  if (!end_.ok()) {
    Ended(end_);
    return;
  }
  base::log::Debug("store.watch_reconnects", {{"from_revision", request_.start_revision()},
                                              {"because", judgement.status.ToString()}});
  RetryLater(/*suspect_server=*/!created_ && judgement.suspect_server, NextDelayMs());
}

void EtcdWatch::Abandon(const base::Status& status) { Ended(status); }

void EtcdWatch::Ended(const base::Status& status) {
  {
    base::MutexLock lock(flow_);
    ended_ = true;
    kick_alarm_.Cancel();
  }
  Finished();
  DeliverEnd(status);
}

// ---- what other threads ask for ----

void EtcdWatch::Kick(int64_t delay_ms) {
  if (ended_) {
    return;
  }
  if (kick_pending_) {
    kick_alarm_.Cancel();  // makes it come now
    return;
  }
  kick_pending_ = true;
  kick_alarm_.Set(engine_.queue(), gpr_time_from_millis(delay_ms, GPR_TIMESPAN),
                  kick_.Arm(shared_from_this()));
}

void EtcdWatch::OnKick() {
  bool read = false;
  bool ask = false;
  {
    base::MutexLock lock(flow_);
    kick_pending_ = false;
    read = TakeResume();
    ask = TakeProgressRequest();
  }
  if (read) {
    Read();
  }
  if (ask) {
    if (progress_answers_wanted_ == 0) {
      progress_answers_wanted_ = kProgressAnswers;
    }
    etcdserverpb::WatchRequest message;
    message.mutable_progress_request();
    Write(message);
  }
}

bool EtcdWatch::TakeResume() {
  const bool resume = paused_ && (resume_ || closing_);
  paused_ = paused_ && !resume;
  return resume;
}

// Leaves the request standing if this is not the time for it: the stream's creation, or the end of
// the write that is under way, kicks again.
bool EtcdWatch::TakeProgressRequest() {
  if (!ask_progress_ || !created_ || leaving_ || writing_) {
    return false;
  }
  const int64_t wait_ns = ask_not_before_ns_ - engine_.clock().MonotonicNs();
  if (wait_ns > 0) {
    Kick(wait_ns / 1'000'000 + 1);
    return false;
  }
  ask_progress_ = false;
  return true;
}

// After the sink has had enough: whether it still has.
bool EtcdWatch::StayPaused() {
  base::MutexLock lock(flow_);
  paused_ = !resume_ && !closing_;
  return paused_;
}

// ---- the server's words ----

EtcdWatch::Course EtcdWatch::Take() {
  sink_wants_more_ = true;
  if (response_.canceled()) {
    return TakeCancellation();
  }
  if (response_.created()) {
    return TakeCreation();
  }
  if (response_.events().empty()) {
    return TakeProgress();
  }
  TakeEvents();
  return Course::kGoOn;
}

EtcdWatch::Course EtcdWatch::TakeCreation() {
  created_ = true;
  creation_alarm_.Cancel();
  ForgetAttempts();
  if (request_.start_revision() == 0) {
    request_.set_start_revision(response_.header().revision() + 1);
  }
  if (!told_of_creation_) {
    told_of_creation_ = true;
    Deliver();
  }
  base::MutexLock lock(flow_);
  if (ask_progress_ || progress_answers_wanted_ > 0) {  // asked before, or on a stream now lost
    progress_answers_wanted_ = 0;
    ask_progress_ = true;
    Kick(0);
  }
  return Course::kGoOn;
}

EtcdWatch::Course EtcdWatch::TakeCancellation() {
  const std::string& reason = response_.cancel_reason();
  if (response_.compact_revision() != 0) {
    end_ = {base::Code::kOutOfRange, kCompacted};
    Deliver();
  } else if (reason.find("permission denied") != std::string::npos) {
    end_ = {base::Code::kPermissionDenied, reason};
  } else if (response_.created()) {  // refused at once, with a reason: the request is wrong
    end_ = {base::Code::kInvalidArgument, reason};
  }
  return Course::kLeave;
}

EtcdWatch::Course EtcdWatch::TakeProgress() {
  if (response_.watch_id() == kAllWatches) {  // asked for, not to be trusted as to resumption
    if (progress_answers_wanted_ == 0) {
      return Course::kGoOn;
    }
    if (--progress_answers_wanted_ > 0) {
      base::MutexLock lock(flow_);
      ask_progress_ = true;
      ask_not_before_ns_ = engine_.clock().MonotonicNs() + kProgressPauseMs * 1'000'000;
      Kick(kProgressPauseMs);
      return Course::kGoOn;
    }
  } else {
    request_.set_start_revision(
        std::max(request_.start_revision(), response_.header().revision() + 1));
  }
  Deliver();
  return Course::kGoOn;
}

void EtcdWatch::TakeEvents() {
  // Some releases of etcd send a watch that starts in the future what happened before.
  const auto& events = response_.events();
  const auto fresh = std::find_if(events.begin(), events.end(), [&](const mvccpb::Event& event) {
    return event.kv().mod_revision() >= request_.start_revision();
  });
  response_.mutable_events()->DeleteSubrange(0, static_cast<int>(fresh - events.begin()));
  if (events.empty()) {
    return;
  }
  if (progress_answers_wanted_ > 0) {
    progress_answers_wanted_ = kProgressAnswers;
  }
  // While catching up, the server's header is ahead of what it has sent.
  const int64_t seen_revision = events.rbegin()->kv().mod_revision();
  response_.mutable_header()->set_revision(seen_revision);
  request_.set_start_revision(seen_revision + 1);
  Deliver();
}

// ---- the sink ----

void EtcdWatch::Deliver() {
  {
    base::MutexLock lock(flow_);
    resume_ = false;
  }
  base::MutexLock lock(delivery_);
  if (WatchSink* sink = sink_.load()) {
    delivering_thread_.store(std::this_thread::get_id());
    sink_wants_more_ = sink->OnResponse(response_);
    delivering_thread_.store(std::thread::id());
  }
}

void EtcdWatch::DeliverEnd(const base::Status& status) {
  base::MutexLock lock(delivery_);
  if (WatchSink* sink = sink_.exchange(nullptr)) {
    delivering_thread_.store(std::this_thread::get_id());
    sink->OnEnd(status);
    delivering_thread_.store(std::thread::id());
  }
}

}  // namespace matricula::store
