#pragma once

#include <string>

#include "common/raft/core.h"

// One rendering for logs and for the expected traces of tests, so that both read alike: nodes are
// n1, terms t3, entries 5/t3 (index and term), tickets n1.7.2 (node, incarnation, number).
namespace matricula::raft {

std::string Describe(NodeId node);
std::string Describe(Term term);
std::string Describe(const Ticket& ticket);
std::string Describe(const Entry& entry);
std::string Describe(const ConfState& conf);
std::string Describe(const SnapshotMeta& meta);
std::string Describe(const HardState& state);
std::string Describe(const Message& message);
std::string Describe(const Standing& standing);
std::string Describe(const Proposed& proposed);
std::string Describe(const ReadAnswer& answer);
std::string Describe(const ProposalAnswer& answer);
std::string Describe(const PeerProgress& peer);
// One line for each thing to be done, in the order of carrying out; each ends with a newline.
std::string Describe(const Output& output);

std::string Describe(Role role);
std::string Describe(ProposeOutcome outcome);
std::string Describe(TransferOutcome outcome);

}  // namespace matricula::raft
