#include "test/sim/truth.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace matricula::sim {
namespace {

using etcdserverpb::RangeResponse;
using etcdserverpb::TxnResponse;
using raft::Index;
using raft::NodeId;

// Whoever asks to skip counting may get any count.
void Normalise(RangeResponse& response) {
  if (!response.kvs().empty()) response.clear_count();
}

void Normalise(TxnResponse& response) {
  for (auto& operation : *response.mutable_responses()) {
    if (operation.has_response_range()) Normalise(*operation.mutable_response_range());
  }
}

template <class Response>
void Normalise(Response&) {}
void Normalise(std::monostate&) {}

std::string Describe(const std::monostate&) { return "nothing"; }
template <class Response>
std::string Describe(const Response& response) {
  return response.ShortDebugString();
}

std::string TextOf(const kv::Outcome& outcome) {
  if (!outcome.status.ok()) return outcome.status.ToString();
  return std::visit(
      [](auto response) {
        Normalise(response);
        return Describe(response);
      },
      outcome.response);
}

}  // namespace

void Truth::OnApply(NodeId by, Index before, const std::vector<Applied>& group, Index through) {
  Index previous = before;
  for (const Applied& applied : group) {
    ++checks_;
    if (applied.index <= previous) {
      return world_.Fail(fmt::format("replica {} applies index {} after {}", by.value(),
                                     applied.index.value(), previous.value()));
    }
    for (Index skipped = previous + 1; skipped < applied.index; ++skipped) {
      Add(by, {skipped, {}, 0, {}, nullptr});
    }
    Add(by, applied);
    previous = applied.index;
  }
  for (Index skipped = previous + 1; skipped <= through; ++skipped) {
    Add(by, {skipped, {}, 0, {}, nullptr});
  }
}

// An entry without a term is one that is no command.
void Truth::Add(NodeId by, const Applied& applied) {
  if (applied.index <= last()) return Compare(by, applied);
  if (applied.index != last() + 1) {
    return world_.Fail(fmt::format("replica {} applies index {}, but nobody has applied {}",
                                   by.value(), applied.index.value(), last().value() + 1));
  }
  Place place;
  place.command = applied.term != raft::Term(0);
  place.term = applied.term;
  place.tag = applied.tag;
  place.payload_hash = std::hash<std::string_view>()(applied.bytes);
  if (applied.conf != nullptr) confs_[applied.index] = *applied.conf;
  if (applied.tag != 0) {
    kv::Command command;
    command.ParseFromArray(applied.bytes.data(), static_cast<int>(applied.bytes.size()));
    place.answer = TextOf(model_.Apply(command));
    if (!index_of_tag_.emplace(applied.tag, applied.index.value()).second) {
      world_.Fail(fmt::format("a proposal took effect twice: at {} and at {}",
                              index_of_tag_[applied.tag], applied.index.value()));
    }
    if (refused_.contains(applied.tag)) {
      world_.Fail(fmt::format("a refused proposal took effect at {}", applied.index.value()));
    }
  }
  place.revision = model_.revision();
  place.state_hash = model_.state_hash();
  places_.push_back(std::move(place));
  world_.Trace("agreed", applied.index.value(), applied.tag, model_.state_hash());
}

void Truth::Compare(NodeId by, const Applied& applied) {
  const Place& place = places_[applied.index.value()];
  const bool equal =
      place.command == (applied.term != raft::Term(0)) &&
      (!place.command || (place.term == applied.term && place.tag == applied.tag &&
                          place.payload_hash == std::hash<std::string_view>()(applied.bytes)));
  if (!equal) {
    world_.Fail(fmt::format("replica {} applies another entry at {} than others did", by.value(),
                            applied.index.value()));
  }
}

std::optional<raft::Term> Truth::TermAt(Index index) const {
  const Place& place = places_[index.value()];
  return place.command ? std::optional(place.term) : std::nullopt;
}

void Truth::OnConf(NodeId by, Index index, const raft::ConfState& conf) {
  ++checks_;
  const auto [since, expected] = *std::prev(confs_.upper_bound(index));
  const bool none_yet = conf == raft::ConfState{} && since == Index(0);
  if (conf != expected && !none_yet) {
    world_.Fail(fmt::format("replica {} remembers another configuration at {} than the one of {}",
                            by.value(), index.value(), since.value()));
  }
}

void Truth::OnState(NodeId by, Index index, int64_t revision, uint64_t hash) {
  ++checks_;
  const Place& place = places_.at(index.value());
  if (place.revision != revision || place.state_hash != hash) {
    world_.Fail(
        fmt::format("the state of replica {} at index {} (revision {}) is not what the log "
                    "makes of it (revision {})",
                    by.value(), index.value(), revision, place.revision));
  }
}

void Truth::OnDigest(NodeId by, Index index, const kv::Digest& digest) {
  ++checks_;
  std::optional<kv::Digest>& known = places_.at(index.value()).digest;
  if (!known) known = digest;
  if (*known != digest) {
    world_.Fail(fmt::format("the digest of replica {} at index {} is not that of others",
                            by.value(), index.value()));
  }
}

void Truth::OnAnswer(uint64_t tag, const Answered& answered, Index floor) {
  ++checks_;
  const auto found = index_of_tag_.find(tag);
  if (found == index_of_tag_.end() || found->second != answered.index.value()) {
    return world_.Fail(fmt::format("a proposal was answered without having taken effect at {}",
                                   answered.index.value()));
  }
  if (answered.index <= floor) {
    return world_.Fail(
        fmt::format("a write took its place at {}, before what was answered up to "
                    "{} when it was asked for",
                    answered.index.value(), floor.value()));
  }
  const Place& place = places_[answered.index.value()];
  if (const std::string told = TextOf(answered.outcome); told != place.answer) {
    world_.Fail(fmt::format("the write at {} was answered {{{}}}, not {{{}}}",
                            answered.index.value(), told, place.answer));
  }
  floor_ = std::max(floor_, answered.index);
}

void Truth::OnRefusal(uint64_t tag) {
  ++checks_;
  refused_.insert(tag);
  if (index_of_tag_.contains(tag)) {
    world_.Fail(fmt::format("a proposal that took effect at {} was called certainly without effect",
                            index_of_tag_[tag]));
  }
}

void Truth::CheckRead(Index place, const etcdserverpb::TxnRequest& request,
                      const TxnResponse& response) {
  ++checks_;
  TxnResponse told = response;
  TxnResponse expected = model_.Read(request, places_.at(place.value()).revision);
  Normalise(told);
  Normalise(expected);
  if (told.SerializeAsString() != expected.SerializeAsString()) {
    world_.Fail(fmt::format("a read at {} was answered {{{}}}, not {{{}}}", place.value(),
                            told.ShortDebugString(), expected.ShortDebugString()));
  }
}

void Truth::OnRead(Index place, const etcdserverpb::TxnRequest& request,
                   const TxnResponse& response, Index floor) {
  if (place < floor) {
    return world_.Fail(
        fmt::format("a stale read: it saw the state at {}, and {} had been answered "
                    "before it was asked for",
                    place.value(), floor.value()));
  }
  CheckRead(place, request, response);
  floor_ = std::max(floor_, place);
}

void Truth::OnStaleRead(Index place, const etcdserverpb::TxnRequest& request,
                        const TxnResponse& response) {
  CheckRead(place, request, response);
}

}  // namespace matricula::sim
