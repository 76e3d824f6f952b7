#include "test/sim/model.h"

#include <algorithm>

#include "common/kv/errors.h"
#include "common/kv/executor.h"

namespace matricula::sim {
namespace {

namespace errors = kv::errors;
using base::Status;
using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::RequestOp;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;
using kv::Outcome;

constexpr uint64_t kFnvBasis = 0xcbf29ce484222325;
constexpr uint64_t kFnvPrime = 0x100000001b3;

uint64_t Mix(uint64_t hash, const std::string& bytes) {
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * kFnvPrime;
  return hash * kFnvPrime;
}

uint64_t Mix(uint64_t hash, int64_t number) {
  hash = (hash ^ static_cast<uint64_t>(number)) * kFnvPrime;
  return hash ^ hash >> 31;
}

uint64_t HashOfPair(const std::string& key, const std::string& value, int64_t mod, int64_t create,
                    int64_t version, int64_t lease) {
  uint64_t hash = Mix(Mix(kFnvBasis, key), value);
  for (const int64_t number : {mod, create, version, lease}) hash = Mix(hash, number);
  return hash;
}

uint64_t HashOfLease(int64_t id, int64_t ttl_s) { return Mix(Mix(kFnvBasis, id), ttl_s); }

bool InRange(const std::string& key, const std::string& begin, const std::string& end) {
  if (end.empty()) return key == begin;
  return key >= begin && (end == std::string(1, '\0') || key < end);
}

Outcome Refused(Status status) { return {std::move(status), {}}; }

template <class Response>
Outcome Answered(Response response, int64_t revision) {
  response.mutable_header()->set_revision(revision);
  return {Status(), std::move(response)};
}

}  // namespace

// ---- looking ----

void Model::Fill(const std::string& key, const Version& version, mvccpb::KeyValue& out) {
  out.set_key(key);
  out.set_value(version.value);
  out.set_mod_revision(version.mod);
  out.set_create_revision(version.create);
  out.set_version(version.version);
  out.set_lease(version.lease);
}

const Model::Version* Model::At(const History& history, int64_t revision) {
  for (auto version = history.rbegin(); version != history.rend(); ++version) {
    if (version->mod <= revision) return version->exists ? &*version : nullptr;
  }
  return nullptr;
}

const Model::Version* Model::At(const std::string& key, int64_t revision) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : At(found->second, revision);
}

std::vector<std::string> Model::KeysIn(const std::string& key, const std::string& end,
                                       int64_t revision) const {
  std::vector<std::string> found;
  for (auto item = keys_.lower_bound(key); item != keys_.end(); ++item) {
    if (!InRange(item->first, key, end)) break;
    if (At(item->second, revision) != nullptr) found.push_back(item->first);
  }
  return found;
}

void Model::Range(const RangeRequest& request, int64_t revision, RangeResponse& response) const {
  const std::vector<std::string> keys = KeysIn(request.key(), request.range_end(), revision);
  response.set_count(static_cast<int64_t>(keys.size()));
  if (request.count_only()) return;
  for (const std::string& key : keys) {
    if (request.limit() > 0 && response.kvs_size() == request.limit()) {
      response.set_more(true);
      break;
    }
    Fill(key, *At(key, revision), *response.add_kvs());
    if (request.keys_only()) response.mutable_kvs()->rbegin()->clear_value();
  }
}

bool Model::HoldsFor(const Compare& compare, const Version* version) {
  if (version == nullptr && compare.target() == Compare::VALUE) return false;
  static const Version kNone;
  const Version& it = version == nullptr ? kNone : *version;
  int order = 0;
  const auto note = [&](auto left, auto right) {
    order = left < right ? -1 : right < left ? 1 : 0;
  };
  if (compare.target() == Compare::VALUE) note(it.value, compare.value());
  if (compare.target() == Compare::CREATE) note(it.create, compare.create_revision());
  if (compare.target() == Compare::MOD) note(it.mod, compare.mod_revision());
  if (compare.target() == Compare::VERSION) note(it.version, compare.version());
  if (compare.target() == Compare::LEASE) note(it.lease, compare.lease());
  if (compare.result() == Compare::EQUAL) return order == 0;
  if (compare.result() == Compare::NOT_EQUAL) return order != 0;
  return compare.result() == Compare::GREATER ? order > 0 : order < 0;
}

bool Model::Holds(const Compare& compare, int64_t revision) const {
  if (compare.range_end().empty()) return HoldsFor(compare, At(compare.key(), revision));
  const auto keys = KeysIn(compare.key(), compare.range_end(), revision);
  if (keys.empty()) return HoldsFor(compare, nullptr);
  return std::all_of(keys.begin(), keys.end(),
                     [&](const std::string& key) { return HoldsFor(compare, At(key, revision)); });
}

TxnResponse Model::Read(const TxnRequest& request, int64_t revision) const {
  TxnResponse response;
  response.mutable_header()->set_revision(revision);
  response.set_succeeded(
      std::all_of(request.compare().begin(), request.compare().end(),
                  [&](const Compare& compare) { return Holds(compare, revision); }));
  for (const RequestOp& operation : response.succeeded() ? request.success() : request.failure()) {
    const RangeRequest& range = operation.request_range();
    RangeResponse& answer = *response.add_responses()->mutable_response_range();
    answer.mutable_header()->set_revision(revision);
    Range(range, range.revision() > 0 ? range.revision() : revision, answer);
  }
  return response;
}

const std::vector<mvccpb::Event>& Model::EventsOf(int64_t revision) const {
  return events_.at(static_cast<size_t>(revision));
}

uint64_t Model::HashOf(const RangeResponse& everything,
                       const std::vector<std::pair<int64_t, int64_t>>& leases) {
  uint64_t hash = 0;
  for (const mvccpb::KeyValue& pair : everything.kvs()) {
    hash += HashOfPair(pair.key(), pair.value(), pair.mod_revision(), pair.create_revision(),
                       pair.version(), pair.lease());
  }
  for (const auto& [id, ttl_s] : leases) hash += HashOfLease(id, ttl_s);
  return hash;
}

// ---- changing ----

Outcome Model::Apply(const kv::Command& command) {
  switch (command.request_case()) {
    case kv::Command::kPut: {
      if (Status status = CheckPut(command.put()); !status.ok()) return Refused(status);
      etcdserverpb::PutResponse response;
      Put(command.put(), response);
      EndTransaction();
      return {Status(), std::move(response)};
    }
    case kv::Command::kDeleteRange: {
      etcdserverpb::DeleteRangeResponse response;
      Delete(command.delete_range(), response);
      EndTransaction();
      return Answered(std::move(response), revision_);
    }
    case kv::Command::kTxn:
      return Txn(command.txn());
    case kv::Command::kCompaction:
      return Compact(command.compaction());
    case kv::Command::kLeaseGrant:
      return Grant(command.lease_grant());
    case kv::Command::kLeaseRevoke:
      return Revoke(command.lease_revoke());
    default:
      return Refused({base::Code::kUnimplemented, "unknown command"});
  }
}

Status Model::CheckPut(const etcdserverpb::PutRequest& request) const {
  if (request.ignore_value() && At(request.key(), INT64_MAX) == nullptr) {
    return errors::KeyNotFound();
  }
  if (request.lease() != 0 && !leases_.contains(request.lease())) return errors::LeaseNotFound();
  return {};
}

bool Model::Succeeds(const TxnRequest& request) const {
  return std::all_of(request.compare().begin(), request.compare().end(),
                     [&](const Compare& compare) { return Holds(compare, revision_); });
}

Status Model::CheckPuts(const TxnRequest& request) const {
  for (const RequestOp& operation : Succeeds(request) ? request.success() : request.failure()) {
    if (operation.has_request_put()) RETURN_IF_ERROR(CheckPut(operation.request_put()));
    if (operation.has_request_txn()) RETURN_IF_ERROR(CheckPuts(operation.request_txn()));
  }
  return {};
}

Status Model::CheckRanges(const TxnRequest& request) const {
  for (const RequestOp& operation : Succeeds(request) ? request.success() : request.failure()) {
    if (operation.has_request_txn()) RETURN_IF_ERROR(CheckRanges(operation.request_txn()));
    const int64_t revision = operation.request_range().revision();
    if (revision > revision_) return errors::FutureRevision();
    if (revision != 0 && revision < compacted_) return errors::Compacted();
  }
  return {};
}

Outcome Model::Txn(const TxnRequest& request) {
  if (Status status = CheckPuts(request); !status.ok()) return Refused(status);
  if (Status status = CheckRanges(request); !status.ok()) return Refused(status);
  TxnResponse response;
  TakeBranch(request, response);
  EndTransaction();
  return Answered(std::move(response), revision_);
}

void Model::TakeBranch(const TxnRequest& request, TxnResponse& response) {
  response.set_succeeded(Succeeds(request));
  for (const RequestOp& operation : response.succeeded() ? request.success() : request.failure()) {
    etcdserverpb::ResponseOp& answer = *response.add_responses();
    if (operation.has_request_put()) {
      Put(operation.request_put(), *answer.mutable_response_put());
    } else if (operation.has_request_delete_range()) {
      Delete(operation.request_delete_range(), *answer.mutable_response_delete_range());
    } else if (operation.has_request_txn()) {
      answer.mutable_response_txn()->mutable_header();
      TakeBranch(operation.request_txn(), *answer.mutable_response_txn());
    } else {
      const RangeRequest& range = operation.request_range();
      answer.mutable_response_range()->mutable_header()->set_revision(revision_so_far());
      Range(range, range.revision() > 0 ? range.revision() : revision_so_far(),
            *answer.mutable_response_range());
    }
  }
}

void Model::Put(const etcdserverpb::PutRequest& request, etcdserverpb::PutResponse& response) {
  const Version* old = At(request.key(), INT64_MAX);
  if (request.prev_kv() && old != nullptr) Fill(request.key(), *old, *response.mutable_prev_kv());
  Version now;
  now.mod = revision_ + 1;
  now.create = old == nullptr ? now.mod : old->create;
  now.version = old == nullptr ? 1 : old->version + 1;
  now.lease = request.ignore_lease() && old != nullptr ? old->lease : request.lease();
  now.exists = true;
  now.value = request.ignore_value() && old != nullptr ? old->value : request.value();
  mvccpb::Event& event = open_.emplace_back();
  event.set_type(mvccpb::Event::PUT);
  Fill(request.key(), now, *event.mutable_kv());
  Write(request.key(), std::move(now));
  response.mutable_header()->set_revision(revision_ + 1);
}

void Model::Delete(const etcdserverpb::DeleteRangeRequest& request,
                   etcdserverpb::DeleteRangeResponse& response) {
  for (const std::string& key : KeysIn(request.key(), request.range_end(), INT64_MAX)) {
    if (request.prev_kv()) Fill(key, *At(key, INT64_MAX), *response.add_prev_kvs());
    Version tombstone;
    tombstone.mod = revision_ + 1;
    mvccpb::Event& event = open_.emplace_back();
    event.set_type(mvccpb::Event::DELETE);
    event.mutable_kv()->set_key(key);
    event.mutable_kv()->set_mod_revision(tombstone.mod);
    Write(key, std::move(tombstone));
    response.set_deleted(response.deleted() + 1);
  }
  response.mutable_header()->set_revision(revision_so_far());
}

void Model::Write(const std::string& key, Version version) {
  const auto hash = [&](const Version& it) {
    return HashOfPair(key, it.value, it.mod, it.create, it.version, it.lease);
  };
  History& history = keys_[key];
  if (!history.empty() && history.back().exists) state_hash_ -= hash(history.back());
  if (version.exists) state_hash_ += hash(version);
  history.push_back(std::move(version));
}

void Model::EndTransaction() {
  if (open_.empty()) return;
  ++revision_;
  events_.push_back(std::move(open_));
  open_.clear();
}

Outcome Model::Compact(const etcdserverpb::CompactionRequest& request) {
  if (request.revision() <= compacted_ || request.revision() <= 0) {
    return Refused(errors::Compacted());
  }
  if (request.revision() > revision_) return Refused(errors::FutureRevision());
  compacted_ = request.revision();
  return Answered(etcdserverpb::CompactionResponse(), revision_);
}

Outcome Model::Grant(const etcdserverpb::LeaseGrantRequest& request) {
  if (leases_.contains(request.id())) return Refused(errors::LeaseExists());
  const int64_t ttl_s = std::max(request.ttl(), kv::kMinLeaseTtl_s);
  leases_[request.id()] = ttl_s;
  state_hash_ += HashOfLease(request.id(), ttl_s);
  etcdserverpb::LeaseGrantResponse response;
  response.set_id(request.id());
  response.set_ttl(ttl_s);
  return Answered(std::move(response), revision_);
}

Outcome Model::Revoke(const etcdserverpb::LeaseRevokeRequest& request) {
  const auto lease = leases_.find(request.id());
  if (lease == leases_.end()) return Refused(errors::LeaseNotFound());
  std::vector<std::string> attached;
  for (const auto& [key, history] : keys_) {
    const Version* version = At(history, INT64_MAX);
    if (version != nullptr && version->lease == request.id()) attached.push_back(key);
  }
  for (const std::string& key : attached) {
    etcdserverpb::DeleteRangeRequest erase;
    erase.set_key(key);
    etcdserverpb::DeleteRangeResponse ignored;
    Delete(erase, ignored);
  }
  EndTransaction();
  state_hash_ -= HashOfLease(lease->first, lease->second);
  leases_.erase(lease);
  return Answered(etcdserverpb::LeaseRevokeResponse(), revision_);
}

}  // namespace matricula::sim
