#include "common/raft/validate.h"

#include <string>

namespace matricula::raft {
namespace {

using base::Code;
using base::OkStatus;
using base::Status;

Status Bad(const char* what) { return {Code::kInvalidArgument, what}; }

Status CheckEntry(const Entry& entry, Index expected, Term at_least, Term at_most) {
  if (entry.index != expected) return Bad("the entries of an append do not follow one another");
  if (entry.term < at_least || entry.term > at_most) {
    return Bad("the terms of an append's entries are out of order");
  }
  if (entry.type > EntryType::kConf) return Bad("an entry of an unknown type");
  if (entry.type == EntryType::kConf && !DecodeConfEntry(entry.payload.view()).ok()) {
    return Bad("a configuration entry that cannot be read");
  }
  return OkStatus();
}

Status CheckBody(const Message& message, const AppendRequest& request) {
  Index expected = request.prev_index + 1;
  Term term = request.prev_term;
  for (const Entry& entry : request.entries) {
    if (Status status = CheckEntry(entry, expected, term, message.term); !status.ok()) {
      return status;
    }
    term = entry.term;
    ++expected;
  }
  return OkStatus();
}

Status CheckBody(const Message& message, const SnapshotChunk& chunk) {
  if (chunk.transfer.node != message.from) return Bad("a snapshot under somebody else's name");
  if (chunk.meta.conf.voters.empty()) return Bad("a snapshot without voters");
  if (chunk.meta.term > message.term) return Bad("a snapshot of a later term than its sender's");
  const uint64_t size = chunk.bytes.size();
  if (chunk.total_bytes == 0 || chunk.offset > chunk.total_bytes ||
      size > chunk.total_bytes - chunk.offset) {
    return Bad("a chunk outside of its snapshot");
  }
  return OkStatus();
}

Status CheckBody(const Message& message, const ProposeRequest& request) {
  return request.ticket.node == message.from ? OkStatus() : Bad("a proposal under another's name");
}

Status CheckBody(const Message& message, const ReadRequest& request) {
  return request.ticket.node == message.from ? OkStatus() : Bad("a read under another's name");
}

template <class Other>
Status CheckBody(const Message&, const Other&) {
  return OkStatus();
}

}  // namespace

Status ValidateMessage(const Config& config, const Message& message) {
  if (message.to != config.id) return Bad("a message for another node");
  if (message.from == kNobody || message.from == config.id) {
    return Bad("a message from nobody, or from this node");
  }
  return std::visit([&](const auto& body) { return CheckBody(message, body); }, message.body);
}

Status Validate(const Config& config) {
  if (config.id == kNobody) return Bad("id must not be 0");
  if (config.heartbeat_ticks < 1) return Bad("heartbeat_ticks must be at least 1");
  if (config.election_ticks < 3 * config.heartbeat_ticks) {
    return Bad("election_ticks must be at least 3 × heartbeat_ticks");
  }
  if (config.max_inflight_messages < 1) return Bad("max_inflight_messages must be at least 1");
  if (config.max_inflight_chunks < 1) return Bad("max_inflight_chunks must be at least 1");
  if (config.max_append_bytes == 0 || config.max_inflight_bytes == 0 ||
      config.max_entry_bytes <= Entry::kOverheadBytes || config.max_uncommitted_bytes == 0 ||
      config.max_apply_bytes == 0 || config.max_pending_reads == 0 ||
      config.snapshot_chunk_bytes == 0) {
    return Bad("a limit of 0 would let nothing through");
  }
  return OkStatus();
}

Status CheckRestored(const Restored& restored, const LogView& log) {
  const auto lost = [](const char* what) { return Status(Code::kDataLoss, what); };
  const Index last = log.LastIndex();
  if (!log.TermAt(log.FirstIndex() - 1)) {
    return lost("the term of the last compacted entry is missing");
  }
  if (restored.applied + 1 < log.FirstIndex()) {
    return lost("the log begins after what the state machine needs next");
  }
  if (restored.applied > last) return lost("the log ends before what has been applied");
  if (restored.hard_state.commit > last) return lost("the log ends before what is committed");
  if (log.TermAt(last).value_or(Term(0)) > restored.hard_state.term) {
    return lost("the log holds a later term than the hard state");
  }
  return OkStatus();
}

}  // namespace matricula::raft
