#include "common/rpc/unary_call.h"

#include <utility>

#include "common/rpc/grpc_status.h"

namespace matricula::rpc {
namespace {

// Slots kept for the next calls of one method.
constexpr size_t kMaxIdleSlots = 256;
// A request larger than this does not keep its memory for the next one.
constexpr size_t kMaxKeptRequestBytes = 64 << 10;

}  // namespace

UnaryMethod::UnaryMethod(std::string_view name, int index, const google::protobuf::Message* request,
                         Handler handler)
    : RegisteredMethod(name), index_(index), request_(request), handler_(std::move(handler)) {}

UnaryMethod::~UnaryMethod() = default;

void UnaryMethod::PostSlot(ServerCore& core) {
  std::unique_ptr<UnarySlot> slot;
  if (idle_.empty()) {
    slot = std::make_unique<UnarySlot>(core.shared_from_this(), *this);
  } else {
    slot = std::move(idle_.back());
    idle_.pop_back();
  }
  slot.release()->Post();
}

void UnaryMethod::Recycle(std::unique_ptr<UnarySlot> slot) {
  if (idle_.size() < kMaxIdleSlots) idle_.push_back(std::move(slot));
}

void UnaryMethod::Release() {
  idle_.clear();
  handler_ = nullptr;
}

UnarySlot::UnarySlot(std::shared_ptr<ServerCore> core, UnaryMethod& method)
    : core_(std::move(core)), method_(method), request_(method.NewRequest()) {}

void UnarySlot::Post() {
  sent_ = false;
  ended_ = false;
  state_.store(State::kOpen, std::memory_order_relaxed);
  context_.Reset(static_cast<Tag*>(&end_tag_));
  writer_.emplace(context_.Get());
  core_->SlotPosted();
  core_->table().RequestUnary(method_.index(), context_.Get(), &bytes_, &*writer_, core_->queue(),
                              static_cast<Tag*>(&call_tag_));
}

void UnarySlot::OnCall(bool ok) {
  core_->SlotCameBack(method_, ok);
  if (!ok) {  // the server stops; without a call there is no end to wait for
    delete this;
    return;
  }
  start_ns_ = core_->Begin(method_);
  if (const base::Status refused = core_->EnterUnary(); !refused.ok()) {
    bytes_.Clear();
    Fail(refused);
    return;
  }
  request_bytes_ = bytes_.Length();
  if (!ParseMessage(bytes_, *request_)) {
    Fail({base::Code::kInvalidArgument, "the request is not a valid " + request_->GetTypeName()});
    return;
  }
  method_.handler()(*request_, context_, this);
  // From here on the slot may belong to somebody else.
}

bool UnarySlot::ClaimAnswer(base::Code code) {
  code_.store(code, std::memory_order_relaxed);
  State expected = State::kOpen;
  if (state_.compare_exchange_strong(expected, State::kAnswered, std::memory_order_acq_rel)) {
    return true;
  }
  ENSURE(expected == State::kAbandoned, "a call is answered once");
  core_->ReleaseAbandoned();
  delete this;
  return false;
}

void UnarySlot::Finish(const google::protobuf::MessageLite& response) {
  if (!ClaimAnswer(base::Code::kOk)) return;
  writer_->Finish(response, grpc::Status::OK, static_cast<Tag*>(&sent_tag_));
}

void UnarySlot::Fail(const base::Status& status) {
  ENSURE(!status.ok(), "a failure has an error code");
  if (!ClaimAnswer(status.code())) return;
  writer_->FinishWithError(ToGrpc(status), static_cast<Tag*>(&sent_tag_));
}

void UnarySlot::OnSent(bool) {
  sent_ = true;
  if (ended_) Leave();
}

void UnarySlot::OnEnd(bool) {
  ended_ = true;
  context_.NoteEnd();
  const int64_t start_ns = start_ns_;
  ServerCore& core = *core_;  // the loop's owner keeps it alive when the slot is gone
  const UnaryMethod& method = method_;
  State expected = State::kOpen;
  if (state_.compare_exchange_strong(expected, State::kAbandoned, std::memory_order_acq_rel)) {
    // The slot is the answerer's now.
    core.Report(method, base::Code::kCancelled, start_ns);
    core.AbandonUnary();
    return;
  }
  if (sent_) Leave();
}

void UnarySlot::Leave() {
  core_->Report(method_, code_.load(std::memory_order_relaxed), start_ns_);
  if (request_bytes_ > kMaxKeptRequestBytes) request_ = method_.NewRequest();
  ServerCore& core = *core_;
  method_.Recycle(std::unique_ptr<UnarySlot>(this));
  core.LeaveUnary();
}

}  // namespace matricula::rpc
