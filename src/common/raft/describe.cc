#include "common/raft/describe.h"

#include <string_view>

namespace matricula::raft {
namespace {

constexpr size_t kShownBytes = 32;

std::string Number(uint64_t number) { return std::to_string(number); }
std::string Number(Index index) { return Number(index.value()); }

std::string Place(Index index, Term term) { return Number(index) + "/" + Describe(term); }

// The beginning of it, with everything unprintable as \xx.
std::string Quoted(const Payload& payload) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : payload.view().substr(0, kShownBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte < 0x7f && c != '"' && c != '\\') {
      out.push_back(c);
    } else {
      out += {'\\', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  out.push_back('"');
  if (payload.size() > kShownBytes) out += "… (" + Number(payload.size()) + " bytes)";
  return out;
}

template <class List, class Show>
std::string Joined(const List& list, std::string_view separator, const Show& show) {
  std::string out;
  for (const auto& item : list) {
    if (!out.empty()) out += separator;
    out += show(item);
  }
  return out;
}

std::string Entries(const std::vector<Entry>& entries) {
  return Joined(entries, ", ", [](const Entry& entry) { return Describe(entry); });
}

std::string Nodes(const std::vector<NodeId>& nodes) {
  return Joined(nodes, " ", [](NodeId node) { return Describe(node); });
}

std::string Show(const PreVoteRequest& r) {
  return "pre-vote? log ends " + Place(r.last_index, r.last_term);
}
std::string Show(const PreVoteReply& r) {
  return std::string("pre-vote for ") + Describe(r.asked) + (r.granted ? " yes" : " no");
}
std::string Show(const VoteRequest& r) {
  return "vote? log ends " + Place(r.last_index, r.last_term) + (r.transfer ? " (transfer)" : "");
}
std::string Show(const VoteReply& r) { return r.granted ? "vote yes" : "vote no"; }
std::string Show(const AppendRequest& r) {
  const std::string head =
      "append after " + Place(r.prev_index, r.prev_term) + " commit " + Number(r.commit);
  return r.entries.empty() ? head : head + ": " + Entries(r.entries);
}
std::string Show(const AppendReply& r) {
  if (r.taken) return "taken up to " + Number(r.match);
  return "refused after " + Number(r.rejected) + ", try " + Place(r.hint_index, r.hint_term);
}
std::string Show(const Heartbeat& r) {
  return "heartbeat round " + Number(r.round) + " commit " + Number(r.commit);
}
std::string Show(const HeartbeatReply& r) { return "heard round " + Number(r.round); }
std::string Show(const SnapshotChunk& r) {
  return "snapshot " + Describe(r.transfer) + " " + Describe(r.meta) + " bytes " +
         Number(r.offset) + "+" + Number(r.bytes.size()) + " of " + Number(r.total_bytes);
}
std::string Show(const SnapshotChunkReply& r) {
  return "snapshot " + Describe(r.transfer) + (r.failed ? " failed" : " next ") +
         (r.failed ? "" : Number(r.next_offset)) + (r.restart ? " (restart)" : "");
}
std::string Show(const TimeoutNow&) { return "timeout now"; }
std::string Show(const ProposeRequest& r) {
  return "propose " + Describe(r.ticket) + ": " + Joined(r.payloads, ", ", Quoted);
}
std::string Show(const ProposeReply& r) {
  return "proposal " + Describe(r.ticket) +
         (r.appended ? " appended from " + Number(r.first_index) : " refused");
}
std::string Show(const ReadRequest& r) { return "read? " + Describe(r.ticket); }
std::string Show(const ReadReply& r) {
  return "read " + Describe(r.ticket) +
         (r.confirmed ? " confirmed at " + Number(r.index) : " given up");
}
std::string Show(const TermNotice&) { return "your term is over"; }

template <class List, class Text>
void Lines(std::string& out, std::string_view label, const List& list, const Text& text) {
  for (const auto& item : list) out += std::string(label) + " " + text(item) + "\n";
}

std::string Sync(const Output& output) {
  std::string out;
  if (output.snapshot) out += "sync snapshot " + Describe(*output.snapshot) + "\n";
  if (output.hard_state) out += "sync " + Describe(*output.hard_state) + "\n";
  if (!output.entries.empty()) out += "sync entries " + Entries(output.entries) + "\n";
  return out;
}

std::string Snapshots(const Output& output) {
  std::string out;
  Lines(out, "snapshot released:", output.snapshots_released,
        [](const Ticket& transfer) { return Describe(transfer); });
  Lines(out, "snapshot wanted for", output.snapshots_wanted, [](const SnapshotWanted& wanted) {
    return Describe(wanted.to) + " as " + Describe(wanted.transfer);
  });
  Lines(out, "chunk for", output.chunks_to_send, [](const ChunkOrder& order) {
    return Describe(order.to) + " of " + Describe(order.transfer) + " bytes " +
           Number(order.offset) + "+" + Number(order.size_bytes) + " of " +
           Number(order.total_bytes);
  });
  if (output.discard_staged) out += "discard staged\n";
  Lines(out, "stage", output.chunks_to_stage, [](const StagedChunk& chunk) {
    return Describe(chunk.transfer) + " bytes " + Number(chunk.offset) + "+" +
           Number(chunk.bytes.size()) + (chunk.last ? " (last)" : "");
  });
  return out;
}

}  // namespace

std::string Describe(NodeId node) { return "n" + Number(node.value()); }
std::string Describe(Term term) { return "t" + Number(term.value()); }

std::string Describe(const Ticket& ticket) {
  return Describe(ticket.node) + "." + Number(ticket.incarnation) + "." + Number(ticket.number);
}

std::string Describe(const Entry& entry) {
  const std::string place = Place(entry.index, entry.term);
  if (entry.type == EntryType::kCommand) return place + " " + Quoted(entry.payload);
  if (entry.type == EntryType::kEmpty) return place + " empty";
  const base::Result<ConfEntry> conf = DecodeConfEntry(entry.payload.view());
  return place + " conf " + (conf.ok() ? Describe(conf->conf) : "unreadable");
}

std::string Describe(const ConfState& conf) {
  std::string out = "{" + Nodes(conf.voters);
  if (!conf.outgoing.empty()) out += " from " + Nodes(conf.outgoing);
  if (!conf.learners.empty()) out += " learners " + Nodes(conf.learners);
  if (!conf.learners_next.empty()) out += " then learners " + Nodes(conf.learners_next);
  return out + (conf.auto_leave ? " auto}" : "}");
}

std::string Describe(const SnapshotMeta& meta) {
  return Place(meta.index, meta.term) + " " + Describe(meta.conf);
}

std::string Describe(const HardState& state) {
  return Describe(state.term) + " vote " + Describe(state.vote) + " commit " + Number(state.commit);
}

std::string Describe(const Message& message) {
  return Describe(message.from) + ">" + Describe(message.to) + " " + Describe(message.term) + " " +
         std::visit([](const auto& body) { return Show(body); }, message.body);
}

std::string Describe(const Standing& standing) {
  return Describe(standing.role) + " " + Describe(standing.term) + " leader " +
         Describe(standing.leader) + (standing.member ? "" : " (no member)");
}

std::string Describe(const Proposed& proposed) {
  std::string out = Describe(proposed.outcome);
  if (proposed.outcome == ProposeOutcome::kAppended) {
    out += " at " + Place(proposed.first_index, proposed.term);
  } else if (proposed.outcome == ProposeOutcome::kForwarded) {
    out += " as " + Describe(proposed.ticket) + " in " + Describe(proposed.term);
  }
  return proposed.reason.empty() ? out : out + ": " + proposed.reason;
}

std::string Describe(const ReadAnswer& answer) {
  return Show(ReadReply{answer.ticket, answer.confirmed, answer.index});
}

std::string Describe(const ProposalAnswer& answer) {
  return Show(ProposeReply{answer.ticket, answer.appended, answer.first_index}) + " in " +
         Describe(answer.term);
}

std::string Describe(const PeerProgress& peer) {
  static constexpr std::string_view kStates[] = {"probe", "replicate", "snapshot"};
  return Describe(peer.id) + " " + std::string(kStates[static_cast<size_t>(peer.state)]) +
         " match " + Number(peer.match) + (peer.active ? "" : " silent") +
         (peer.learner ? " learner" : "");
}

std::string Describe(const Output& output) {
  std::string out;
  const auto text = [](const auto& item) { return Describe(item); };
  Lines(out, "early", output.early_messages, text);
  out += Sync(output);
  Lines(out, "late", output.late_messages, text);
  Lines(out, "apply", output.committed, text);
  for (const ReadAnswer& answer : output.reads) out += Describe(answer) + "\n";
  for (const ProposalAnswer& answer : output.proposals) out += Describe(answer) + "\n";
  out += Snapshots(output);
  if (output.standing) out += "now " + Describe(*output.standing) + "\n";
  return out;
}

std::string Describe(Role role) {
  static constexpr std::string_view kRoles[] = {"follower", "pre-candidate", "candidate", "leader"};
  return std::string(kRoles[static_cast<size_t>(role)]);
}

std::string Describe(ProposeOutcome outcome) {
  static constexpr std::string_view kOutcomes[] = {
      "appended",   "forwarded", "no leader",      "not leader",    "transferring",
      "overloaded", "too large", "change pending", "invalid change"};
  return std::string(kOutcomes[static_cast<size_t>(outcome)]);
}

std::string Describe(TransferOutcome outcome) {
  static constexpr std::string_view kOutcomes[] = {"started", "not leader", "not a voter",
                                                   "already leader"};
  return std::string(kOutcomes[static_cast<size_t>(outcome)]);
}

}  // namespace matricula::raft
