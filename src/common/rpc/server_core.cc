#include "common/rpc/server_core.h"

#include "common/rpc/bidi_call.h"

namespace matricula::rpc {

void ServerCore::SlotCameBack(RegisteredMethod& method, bool with_call) {
  --posted_slots_;
  if (with_call) {
    method.PostSlot(*this);
  } else {
    NoteIfEnded();
  }
}

base::Status ServerCore::EnterUnary() {
  unary_calls_.Add(1);
  const int64_t held = unary_calls_.Get() + abandoned_.load(std::memory_order_relaxed);
  if (held <= static_cast<int64_t>(options_.max_calls_in_flight)) return {};
  refused_calls_.Add(1);
  return {base::Code::kResourceExhausted, "too many calls at once; try again later"};
}

base::Status ServerCore::EnterStream() {
  streams_.Add(1);
  if (draining_) return {base::Code::kUnavailable, "the server is stopping"};
  if (streams_.Get() <= static_cast<int64_t>(options_.max_open_streams)) return {};
  refused_calls_.Add(1);
  return {base::Code::kResourceExhausted, "too many streams at once; try again later"};
}

void ServerCore::LeaveUnary() {
  unary_calls_.Add(-1);
  ended_calls_.Add(1);
  NoteIfEnded();
}

void ServerCore::AbandonUnary() {
  abandoned_.fetch_add(1, std::memory_order_relaxed);
  LeaveUnary();
}

void ServerCore::LeaveStream() {
  streams_.Add(-1);
  ended_calls_.Add(1);
  NoteIfEnded();
}

int64_t ServerCore::Begin(const RegisteredMethod& method) {
  if (options_.observer == nullptr) return 0;
  options_.observer->OnCallBegin(method.name());
  return options_.clock->MonotonicNs();
}

void ServerCore::Report(const RegisteredMethod& method, base::Code code, int64_t start_ns) {
  if (options_.observer == nullptr) return;
  options_.observer->OnCallEnd(method.name(), code, options_.clock->MonotonicNs() - start_ns);
}

bool ServerCore::ReserveQueued(size_t bytes, bool force) {
  const size_t before = queued_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (force || before + bytes <= options_.max_queued_bytes) return true;
  ReleaseQueued(bytes);
  return false;
}

void ServerCore::BeginDrain() {
  draining_ = true;
  for (BidiCall* call : bidi_calls_) {
    call->Finish({base::Code::kUnavailable, "the server is stopping"});
  }
}

void ServerCore::BeginClose(std::promise<void> ended) {
  ended_ = std::move(ended);
  NoteIfEnded();
}

void ServerCore::NoteIfEnded() {
  if (!ended_ || posted_slots_ > 0 || unary_calls_.Get() > 0 || streams_.Get() > 0) return;
  ended_->set_value();
  ended_.reset();
}

void ServerCore::FillStats(ServerStats& stats) const {
  stats.calls = ended_calls_.Get();
  stats.refused_calls = refused_calls_.Get();
  stats.calls_in_flight = unary_calls_.Get() + abandoned_.load(std::memory_order_relaxed);
  stats.open_streams = streams_.Get();
}

}  // namespace matricula::rpc
