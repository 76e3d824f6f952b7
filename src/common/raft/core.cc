#include "common/raft/core.h"

#include <utility>

#include "common/base/ensure.h"
#include "common/raft/machine.h"

namespace matricula::raft {

namespace {

std::unique_ptr<Machine> MakeMachine(const Config& config, const Restored& restored,
                                     const LogView& log) {
  ENSURE(Validate(config).ok(), "the configuration of the core must be valid");
  ENSURE(CheckRestored(restored, log).ok(), "what was restored must fit together");
  return std::make_unique<Machine>(config, restored, log);
}

}  // namespace

Core::Core(const Config& config, const Restored& restored, const LogView& log)
    : machine_(MakeMachine(config, restored, log)) {}
Core::~Core() = default;
Core::Core(Core&&) noexcept = default;

void Core::Tick() { machine_->Tick(); }
base::Status Core::Step(const Message& message) { return machine_->Step(message); }
Proposed Core::Propose(std::vector<Payload> payloads) {
  return machine_->Propose(std::move(payloads));
}
Proposed Core::ProposeConfChange(const ConfChange& change) {
  return machine_->ProposeConfChange(change);
}
ReadTicket Core::ReadIndex() { return machine_->ReadIndex(); }
TransferOutcome Core::TransferLeadership(NodeId target) {
  return machine_->TransferLeadership(target);
}
void Core::Campaign() { machine_->Campaign(); }

void Core::Persisted(uint64_t sequence) { machine_->Persisted(sequence); }
void Core::Applied(Index index) { machine_->Applied(index); }
void Core::Compacted(Index first) { machine_->Compacted(first); }
void Core::PeerUnreachable(NodeId peer) { machine_->PeerUnreachable(peer); }
void Core::PeerGone(NodeId peer) { machine_->PeerGone(peer); }
void Core::SnapshotReady(const Ticket& transfer, const SnapshotMeta& meta, uint64_t total_bytes) {
  machine_->SnapshotReady(transfer, meta, total_bytes);
}
void Core::SnapshotFailed(const Ticket& transfer) { machine_->SnapshotFailed(transfer); }
void Core::SnapshotStored(const Ticket& transfer, bool good) {
  machine_->SnapshotStored(transfer, good);
}

Output Core::TakeOutput() { return machine_->TakeOutput(); }

const Config& Core::config() const { return machine_->config(); }
Standing Core::standing() const { return machine_->standing(); }
Index Core::commit() const { return machine_->log().commit(); }
Index Core::applied() const { return machine_->log().applied(); }
Index Core::last_index() const { return machine_->log().last(); }
Index Core::first_index() const { return machine_->log().first(); }
std::optional<Term> Core::TermAt(Index index) const { return machine_->log().TermAt(index); }
Index Core::persisted() const { return machine_->log().persisted(); }
const ConfState& Core::conf() const { return machine_->confs().Latest().conf; }
Index Core::conf_index() const { return machine_->confs().Latest().index; }
SnapshotMeta Core::AppliedMeta() const { return machine_->AppliedMeta(); }
Index Core::CompactionLimit() const { return machine_->CompactionLimit(); }
std::vector<PeerProgress> Core::peers() const { return machine_->peers(); }
NodeId Core::transfer_target() const { return machine_->transfer_target(); }

}  // namespace matricula::raft
