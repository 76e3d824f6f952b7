#include <memory>
#include <utility>

#include "test/sim/replica.h"

// What clients ask of a replica: the part that the daemon's services play.
namespace matricula::sim {
namespace {

using base::Code;
using base::Result;
using base::Status;

Status Down() { return {Code::kUnavailable, "the replica is down"}; }

}  // namespace

void Replica::Write(const kv::Command& command, WriteDone done) {
  if (!up()) return std::move(done)(Down());
  const uint64_t tag = truth_.NewTag();
  const raft::Index floor = truth_.floor();
  auto judged = [this, tag, floor, done = std::move(done)](Result<std::any> result) mutable {
    if (!result.ok()) {
      if (result.status().code() != Code::kOutcomeUnknown) truth_.OnRefusal(tag);
      return std::move(done)(result.status());
    }
    auto* answered = std::any_cast<Answered>(&*result);
    if (answered == nullptr) return world_.Fail("a proposal was answered before it was applied");
    truth_.OnAnswer(tag, *answered, floor);
    std::move(done)(std::move(*answered));
  };
  auto shared = std::make_shared<base::Done<std::any>>(std::move(judged));
  Input([this, bytes = RecordingMachine::Tagged(tag, command), shared]() mutable {
    process_->driver->Propose(std::move(bytes), std::move(*shared));
  });
}

void Replica::ReadTxn(const etcdserverpb::TxnRequest& request, bool serializable,
                      base::Done<etcdserverpb::TxnResponse> done) {
  if (!up()) return std::move(done)(Down());
  const raft::Index floor = truth_.floor();
  auto serve = [this, request, serializable, floor](base::Done<etcdserverpb::TxnResponse> told) {
    // Rows that are ahead of their note after a crash are at no place of the order yet.
    if (mvcc().applied_index() > process_->machine->Applied().index.value()) {
      return std::move(told)(Down());
    }
    auto response = mvcc().ReadTxn(request);
    if (response.status().code() == Code::kDataLoss) {
      // A client goes elsewhere then; the operator will hear of it.
      if (!damaged_) return world_.Fail("a row cannot be read: " + response.status().message());
      return std::move(told)(Down());
    }
    if (response.ok() && serializable) {
      truth_.OnStaleRead(process_->machine->Applied().index, request, *response);
    } else if (response.ok()) {
      truth_.OnRead(process_->machine->Applied().index, request, *response, floor);
    }
    std::move(told)(std::move(response));
  };
  auto shared = std::make_shared<base::Done<etcdserverpb::TxnResponse>>(std::move(done));
  Input([this, serve, serializable, shared]() mutable {
    if (serializable) return serve(std::move(*shared));
    process_->driver->Read([serve, shared](Result<raft::Index> confirmed) mutable {
      if (!confirmed.ok()) return std::move(*shared)(confirmed.status());
      serve(std::move(*shared));
    });
  });
}

void Replica::ChangeMembers(raft::ConfChange change, base::Done<std::any> done) {
  if (!up()) return std::move(done)(Down());
  auto shared = std::make_shared<base::Done<std::any>>(std::move(done));
  Input([this, change = std::move(change), shared]() mutable {
    process_->driver->ChangeMembers(std::move(change), std::move(*shared));
  });
}

void Replica::TransferLeadership(raft::NodeId target) {
  Input([this, target] { (void)process_->driver->TransferLeadership(target); });
}

Result<int64_t> Replica::KeepAlive(int64_t lease) {
  if (!leads()) return Status(Code::kUnavailable, "this replica does not lead");
  return process_->lessor->KeepAlive(lease).value_or(0);
}

// The leader ends the leases that are past their time.
void Replica::ExpireLeases() {
  if (!process_->leads) return;
  for (const int64_t lease : process_->lessor->TakeDue()) {
    kv::Command command;
    command.mutable_lease_revoke()->set_id(lease);
    Write(command, [](Result<Answered>) {});
  }
}

}  // namespace matricula::sim
