#include <algorithm>
#include <utility>

#include "common/base/ensure.h"
#include "common/replication/driver.h"
#include "common/replication/envelope.h"
#include "common/replication/mutant.h"

// How the driver carries out what Begin has taken: the order of the output is the order here.
namespace matricula::replication {
namespace {

using base::Code;
using base::Status;

}  // namespace

Status Driver::CarryOut() {
  RETURN_IF_ERROR(Persist());
  SendLate();
  RETURN_IF_ERROR(ApplyCommitted());
  AnswerReads();
  SettleProposals();
  // Before snapshots: once one has arrived, the core is already past it, and the log not yet.
  RETURN_IF_ERROR(CompactLog());
  RETURN_IF_ERROR(MoveSnapshots());
  if (in_hand_->standing) {
    if (MutantIs(60)) waiters_.OnCommittedTerm(in_hand_->standing->term);
    if (options_.on_standing) options_.on_standing(*in_hand_->standing);
  }
  return {};
}

Status Driver::Persist() {
  if (!in_hand_->NeedsSync()) return {};
  Status status;
  if (in_hand_->snapshot) {
    status = InstallSnapshot(*in_hand_->snapshot);
  } else {
    status = log_.Write(in_hand_->hard_state, in_hand_->entries);
    if (options_.one_engine) durable_applied_ = applied_.index;
  }
  if (!status.ok() && !MutantIs(62)) return status;
  core_->Persisted(in_hand_->sequence);
  return {};
}

// State machine first, log second: a start that finds the state machine ahead finishes the job,
// and the other way round something would be missing.
Status Driver::InstallSnapshot(const raft::SnapshotMeta& meta) {
  RETURN_IF_ERROR(state_machine_.InstallStaged(meta));
  RETURN_IF_ERROR(log_.Reset(meta.index, meta.term, in_hand_->hard_state, in_hand_->entries));
  const raft::ConfState conf_before = applied_.conf;
  applied_ = state_machine_.Applied();
  ENSURE(applied_.index == meta.index, "the state machine has installed another snapshot");
  if (MutantIs(55)) applied_.conf = conf_before;
  durable_applied_ = applied_.index;
  ++counts_.snapshots_installed;
  waiters_.OnSnapshot(meta.term);
  AnswerAppliedReads();
  return {};
}

void Driver::SendLate() {
  for (raft::Message& message : std::exchange(in_hand_->late_messages, {})) {
    transport_.Send(std::move(message));
  }
}

Status Driver::ApplyCommitted() {
  const std::vector<raft::Entry>& entries = in_hand_->committed;
  if (entries.empty()) return {};
  Batch batch;
  RETURN_IF_ERROR(Unpack(entries, batch));
  const raft::SnapshotMeta now{entries.back().index, entries.back().term,
                               batch.confs.empty() ? applied_.conf : batch.confs.back()};
  if (MutantIs(50)) {
    RETURN_IF_ERROR(state_machine_.Apply(batch.commands, applied_));
    RETURN_IF_ERROR(state_machine_.Apply({}, now));
  } else {
    RETURN_IF_ERROR(state_machine_.Apply(batch.commands, now));
  }
  const bool was_member = applied_.conf.IsMember(options_.raft.id);
  applied_ = now;
  core_->Applied(now.index);
  for (size_t i = 0; i < entries.size(); ++i) {
    waiters_.OnCommittedTerm(entries[i].term);
    if (batch.numbers[i] != 0) waiters_.Complete(batch.numbers[i], std::move(batch.answers[i]));
  }
  // From now on nobody tells it what became of anything.
  if (was_member && !applied_.conf.IsMember(options_.raft.id)) {
    waiters_.AbandonAll("this replica was removed before the outcome");
  }
  AnswerAppliedReads();
  return {};
}

// Turns entries into commands. Entries of a leader's first breath are nothing to the state machine.
Status Driver::Unpack(const std::vector<raft::Entry>& entries, Batch& batch) const {
  batch.numbers.resize(entries.size(), 0);
  batch.answers.resize(entries.size());
  batch.commands.reserve(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const raft::Entry& entry = entries[i];
    if (entry.type == raft::EntryType::kEmpty) continue;
    Command command{entry.index, entry.term, {}, nullptr, nullptr};
    std::string_view sealed = entry.payload.view();
    if (entry.type == raft::EntryType::kConf) {
      base::Result<raft::ConfEntry> conf = raft::DecodeConfEntry(sealed);
      if (!conf.ok()) return conf.status();
      command.conf = &batch.confs.emplace_back(std::move(conf->conf));
      // A leader that ends a joint configuration proposes without a name.
      sealed = batch.contexts.emplace_back(std::move(conf->context)).view();
    }
    if (const std::optional<Envelope> envelope = OpenEnvelope(sealed)) {
      command.bytes = envelope->command;
      const bool ours = envelope->name.node == options_.raft.id &&
                        envelope->name.incarnation == options_.raft.incarnation;
      if (ours && waiters_.Has(envelope->name.number)) {
        batch.numbers[i] = envelope->name.number;
        command.answer = &batch.answers[i];
      }
    } else if (entry.type == raft::EntryType::kCommand) {
      return {Code::kDataLoss, "an entry of the log has no name"};
    }
    batch.commands.push_back(command);
  }
  return {};
}

void Driver::AnswerReads() {
  for (const raft::ReadAnswer& answer : in_hand_->reads) {
    const auto asked = asked_reads_.find(answer.ticket);
    if (asked == asked_reads_.end()) continue;
    std::vector<ReadDone> dones = std::move(asked->second);
    asked_reads_.erase(asked);
    if (answer.confirmed) {
      confirmed_reads_.emplace(MutantIs(57) ? raft::Index(0) : answer.index, std::move(dones));
      continue;
    }
    for (ReadDone& done : dones) {
      std::move(done)(Status(Code::kUnavailable, "the read could not be confirmed"));
    }
  }
  AnswerAppliedReads();
  if (!in_hand_->standing || in_hand_->standing->leader != raft::kNobody) return;
  // Without a leader nobody knows when the entries come that these wait for, or whether.
  for (auto& [index, dones] : std::exchange(confirmed_reads_, {})) {
    for (ReadDone& done : dones) {
      std::move(done)(Status(Code::kUnavailable, "the leader was lost before the read's index"));
    }
  }
}

void Driver::AnswerAppliedReads() {
  while (!confirmed_reads_.empty() && confirmed_reads_.begin()->first <= applied_.index) {
    auto ready = confirmed_reads_.extract(confirmed_reads_.begin());
    for (ReadDone& done : ready.mapped()) std::move(done)(ready.key());
  }
}

void Driver::SettleProposals() {
  for (const raft::ProposalAnswer& answer : in_hand_->proposals) {
    waiters_.OnForwardAnswer(answer.ticket.number, answer.appended);
  }
}

// A prefix of the log goes when its worth is in the state machine, durably.
Status Driver::CompactLog() {
  const raft::Index first = log_.FirstIndex();
  raft::Index limit = core_->CompactionLimit();
  const bool too_large = log_.Bytes() > options_.max_log_bytes && applied_.index >= first;
  // Half of it: a member that is only a little behind shall not need a snapshot for this.
  if (too_large) limit = std::max(limit, first + (applied_.index - first) / 2);
  if (limit + 1 < first + (too_large ? 1 : options_.compaction_step)) return {};
  if (limit > durable_applied_ && !MutantIs(59)) {
    if (options_.one_engine) return {};
    RETURN_IF_ERROR(state_machine_.Sync());
    durable_applied_ = applied_.index;
  }
  const raft::Index keep = std::min(limit + 1, first + LogStore::kMaxCompactionEntries);
  core_->Compacted(keep);
  return log_.Compact(keep);
}

}  // namespace matricula::replication
