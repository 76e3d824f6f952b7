#include "fake_kv.h"

#include <algorithm>

namespace matricula::domain {
namespace {

using base::Code;
using base::Result;
using base::Status;
using etcdserverpb::Compare;
using mvccpb::KeyValue;

template <class T>
int Sign(const T& left, const T& right) {
  return left < right ? -1 : right < left ? 1 : 0;
}

int CompareWith(const Compare& compare, const KeyValue& pair) {
  switch (compare.target()) {
    case Compare::VERSION:
      return Sign(pair.version(), compare.version());
    case Compare::CREATE:
      return Sign(pair.create_revision(), compare.create_revision());
    case Compare::MOD:
      return Sign(pair.mod_revision(), compare.mod_revision());
    case Compare::VALUE:
      return Sign(pair.value(), compare.value());
    default:
      return Sign(pair.lease(), compare.lease());
  }
}

bool Satisfies(const Compare& compare, int sign) {
  switch (compare.result()) {
    case Compare::EQUAL:
      return sign == 0;
    case Compare::GREATER:
      return sign > 0;
    case Compare::LESS:
      return sign < 0;
    default:
      return sign != 0;
  }
}

bool InRange(const std::string& key, const std::string& first, const std::string& end) {
  if (end.empty()) return key == first;
  return key >= first && (end == std::string(1, '\0') || key < end);
}

}  // namespace

const KeyValue* FakeKv::Find(const std::string& key, int64_t revision) const {
  const auto found = versions_.find(key);
  if (found == versions_.end()) return nullptr;
  const auto& versions = found->second;
  const auto later = std::upper_bound(
      versions.begin(), versions.end(), revision,
      [](int64_t limit, const KeyValue& pair) { return limit < pair.mod_revision(); });
  if (later == versions.begin() || std::prev(later)->create_revision() == 0) return nullptr;
  return &*std::prev(later);
}

std::vector<std::string> FakeKv::KeysIn(const std::string& key, const std::string& end,
                                        int64_t revision) const {
  std::vector<std::string> keys;
  for (auto it = versions_.lower_bound(key); it != versions_.end(); ++it) {
    if (!InRange(it->first, key, end)) break;
    if (Find(it->first, revision) != nullptr) keys.push_back(it->first);
  }
  return keys;
}

std::map<std::string, KeyValue> FakeKv::StateAt(int64_t revision) const {
  std::map<std::string, KeyValue> state;
  for (const auto& [key, versions] : versions_) {
    if (const KeyValue* pair = Find(key, revision)) state[key] = *pair;
  }
  return state;
}

std::vector<mvccpb::Event> FakeKv::EventsAt(int64_t revision) const {
  std::vector<mvccpb::Event> events;
  for (const auto& [key, versions] : versions_) {
    for (const KeyValue& pair : versions) {
      if (pair.mod_revision() != revision) continue;
      mvccpb::Event& event = events.emplace_back();
      event.set_type(pair.create_revision() == 0 ? mvccpb::Event::DELETE : mvccpb::Event::PUT);
      *event.mutable_kv() = pair;
    }
  }
  return events;
}

bool FakeKv::Holds(const Compare& compare) const {
  const auto keys = KeysIn(compare.key(), compare.range_end(), revision_);
  if (keys.empty()) {
    return compare.target() != Compare::VALUE && Satisfies(compare, CompareWith(compare, {}));
  }
  return std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
    return Satisfies(compare, CompareWith(compare, *Find(key, revision_)));
  });
}

bool FakeKv::AllHold(const etcdserverpb::TxnRequest& request) const {
  return std::all_of(request.compare().begin(), request.compare().end(),
                     [this](const Compare& compare) { return Holds(compare); });
}

// The rules that hold before anything is done: sizes, and no key put twice or put and deleted.
Status FakeKv::Check(const Ops& ops, std::set<std::string>* put_keys) const {
  if (ops.size() > 128) return {Code::kInvalidArgument, "too many operations in txn request"};
  for (const auto& op : ops) {
    if (op.has_request_put() && !put_keys->insert(op.request_put().key()).second) {
      return {Code::kInvalidArgument, "duplicate key given in txn request"};
    }
  }
  for (const auto& op : ops) {
    if (!op.has_request_delete_range()) continue;
    const auto& erase = op.request_delete_range();
    for (const std::string& key : *put_keys) {
      if (InRange(key, erase.key(), erase.range_end())) {
        return {Code::kInvalidArgument, "duplicate key given in txn request"};
      }
    }
  }
  return base::OkStatus();
}

Result<etcdserverpb::TxnResponse> FakeKv::Txn(const etcdserverpb::TxnRequest& request) {
  if (request.compare_size() > 128) return Status(Code::kInvalidArgument, "too many compares");
  if (request.ByteSizeLong() > 1'500'000) return Status(Code::kInvalidArgument, "too large");
  std::set<std::string> success_keys;
  std::set<std::string> failure_keys;
  RETURN_IF_ERROR(Check(request.success(), &success_keys));
  RETURN_IF_ERROR(Check(request.failure(), &failure_keys));
  written_.clear();
  etcdserverpb::TxnResponse response;
  if (const Status status = Run(request, &response); !status.ok()) {
    for (const std::string& key : written_) versions_[key].pop_back();
    return status;
  }
  if (!written_.empty()) ++revision_;
  response.mutable_header()->set_revision(revision_);
  return response;
}

Status FakeKv::Run(const etcdserverpb::TxnRequest& request, etcdserverpb::TxnResponse* response) {
  response->set_succeeded(AllHold(request));
  for (const auto& op : response->succeeded() ? request.success() : request.failure()) {
    RETURN_IF_ERROR(RunOne(op, response->add_responses()));
  }
  return base::OkStatus();
}

Status FakeKv::RunOne(const etcdserverpb::RequestOp& op, etcdserverpb::ResponseOp* response) {
  if (op.has_request_put()) {
    response->mutable_response_put();
    return Put(op.request_put());
  }
  if (op.has_request_delete_range()) {
    const auto& erase = op.request_delete_range();
    response->mutable_response_delete_range()->set_deleted(Delete(erase.key(), erase.range_end()));
    return base::OkStatus();
  }
  if (op.has_request_txn()) return Run(op.request_txn(), response->mutable_response_txn());
  auto range = Range(op.request_range());
  if (!range.ok()) return range.status();
  *response->mutable_response_range() = std::move(*range);
  return base::OkStatus();
}

Status FakeKv::Put(const etcdserverpb::PutRequest& request) {
  const KeyValue* former = Find(request.key(), revision_ + 1);
  if (request.lease() != 0 && !HasLease(request.lease())) {
    return {Code::kNotFound, "requested lease not found"};
  }
  if (request.ignore_value() && former == nullptr) {
    return {Code::kInvalidArgument, "key not found"};
  }
  KeyValue pair;
  pair.set_key(request.key());
  pair.set_value(request.ignore_value() ? former->value() : request.value());
  pair.set_lease(request.lease());
  pair.set_mod_revision(revision_ + 1);
  pair.set_create_revision(former == nullptr ? revision_ + 1 : former->create_revision());
  pair.set_version(former == nullptr ? 1 : former->version() + 1);
  Write(request.key(), std::move(pair));
  return base::OkStatus();
}

int64_t FakeKv::Delete(const std::string& key, const std::string& end) {
  const auto keys = KeysIn(key, end, revision_ + 1);
  for (const std::string& erased : keys) {
    KeyValue pair;
    pair.set_key(erased);
    pair.set_mod_revision(revision_ + 1);
    Write(erased, std::move(pair));
  }
  return static_cast<int64_t>(keys.size());
}

void FakeKv::Write(const std::string& key, KeyValue pair) {
  versions_[key].push_back(std::move(pair));
  written_.push_back(key);
}

void FakeKv::Replay(const mvccpb::Event& event) {
  KeyValue pair = event.kv();
  if (event.type() == mvccpb::Event::DELETE) pair.set_create_revision(0);
  revision_ = pair.mod_revision();
  versions_[pair.key()].push_back(std::move(pair));
}

Result<etcdserverpb::RangeResponse> FakeKv::Range(const etcdserverpb::RangeRequest& request) const {
  if (request.revision() > revision_) {
    return Status(Code::kOutOfRange, "mvcc: required revision is a future revision");
  }
  if (request.revision() > 0 && request.revision() < compacted_) {
    return Status(Code::kOutOfRange, "mvcc: required revision has been compacted");
  }
  // Reads inside a transaction see what it has written so far.
  const int64_t revision = request.revision() > 0 ? request.revision() : revision_ + 1;
  const auto keys = KeysIn(request.key(), request.range_end(), revision);
  etcdserverpb::RangeResponse response;
  response.mutable_header()->set_revision(revision_);
  response.set_count(static_cast<int64_t>(keys.size()));
  if (request.count_only()) return response;
  for (const std::string& key : keys) {
    if (request.limit() > 0 && response.kvs_size() == request.limit()) {
      response.set_more(true);
      break;
    }
    KeyValue* pair = response.add_kvs();
    *pair = *Find(key, revision);
    if (request.keys_only()) pair->clear_value();
  }
  return response;
}

void FakeKv::EndLease(int64_t lease_id) {
  leases_.erase(lease_id);
  etcdserverpb::TxnRequest request;
  for (const auto& [key, pair] : StateAt(revision_)) {
    if (pair.lease() != lease_id) continue;
    request.add_success()->mutable_request_delete_range()->set_key(key);
  }
  [[maybe_unused]] const auto response = Txn(request);
}

}  // namespace matricula::domain
