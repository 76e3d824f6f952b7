#include "common/rpc/unknown_method.h"

#include "common/rpc/grpc_status.h"

namespace matricula::rpc {
namespace {

// One such call; it deletes itself when gRPC owes it nothing more.
class UnknownCall {
 public:
  UnknownCall(ServerCore& core, UnknownMethod& method)
      : core_(core.shared_from_this()), method_(method) {}

  void Post() {
    core_->SlotPosted();
    method_.service().RequestCall(&context_, &stream_, core_->queue(), core_->queue(),
                                  static_cast<Tag*>(&call_tag_));
  }

 private:
  void OnCall(bool ok) {
    core_->SlotCameBack(method_, ok);
    if (!ok) {
      delete this;
      return;
    }
    base::Status answer = core_->EnterUnary();
    if (answer.ok()) answer = {base::Code::kUnimplemented, "unknown method " + context_.method()};
    stream_.Finish(ToGrpc(answer), static_cast<Tag*>(&finished_tag_));
  }

  void OnFinished(bool) {
    core_->LeaveUnary();
    delete this;
  }

  const std::shared_ptr<ServerCore> core_;
  UnknownMethod& method_;
  grpc::GenericServerContext context_;
  grpc::GenericServerAsyncReaderWriter stream_{&context_};
  MemberTag<UnknownCall, &UnknownCall::OnCall> call_tag_{this};
  MemberTag<UnknownCall, &UnknownCall::OnFinished> finished_tag_{this};
};

}  // namespace

void UnknownMethod::PostSlot(ServerCore& core) { (new UnknownCall(core, *this))->Post(); }

}  // namespace matricula::rpc
