#include "test/unit/kv/model.h"

#include <algorithm>

#include "common/base/crc32c.h"
#include "common/kv/errors.h"

namespace matricula::kv::test {

using base::Result;
using base::Status;
using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

namespace {

bool InRange(const std::string& key, const std::string& begin, const std::string& end) {
  if (end.empty()) return key == begin;
  if (end == std::string(1, '\0')) return key >= begin;
  return key >= begin && key < end;
}

mvccpb::KeyValue Pair(const std::string& key, const Model::Version& version) {
  mvccpb::KeyValue pair;
  pair.set_key(key);
  pair.set_create_revision(version.create);
  pair.set_mod_revision(version.mod.main);
  pair.set_version(version.version);
  pair.set_value(version.value);
  pair.set_lease(version.lease);
  return pair;
}

template <class T>
int Sign(const T& left, const T& right) {
  return left < right ? -1 : right < left ? 1 : 0;
}

bool Holds(const Compare& compare, const Model::Version& version) {
  int sign = 0;
  if (compare.target() == Compare::VALUE) sign = Sign(version.value, compare.value());
  if (compare.target() == Compare::CREATE) sign = Sign(version.create, compare.create_revision());
  if (compare.target() == Compare::MOD) sign = Sign(version.mod.main, compare.mod_revision());
  if (compare.target() == Compare::VERSION) sign = Sign(version.version, compare.version());
  if (compare.target() == Compare::LEASE) sign = Sign(version.lease, compare.lease());
  if (compare.result() == Compare::EQUAL) return sign == 0;
  if (compare.result() == Compare::NOT_EQUAL) return sign != 0;
  if (compare.result() == Compare::GREATER) return sign > 0;
  if (compare.result() == Compare::LESS) return sign < 0;
  return true;
}

uint64_t Cost(const TxnRequest& txn) {
  const auto sum = [](const auto& operations) {
    uint64_t cost = 0;
    for (const auto& operation : operations) {
      if (operation.has_request_put()) cost += 1;
      if (operation.has_request_txn()) cost += Cost(operation.request_txn());
    }
    return cost;
  };
  return std::max(sum(txn.success()), sum(txn.failure()));
}

void AppendNumber(std::string& out, uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

}  // namespace

const Model::Version* Model::At(const std::string& key, int64_t at) const {
  const auto found = history_.find(key);
  if (found == history_.end()) return nullptr;
  const Version* newest = nullptr;
  for (const Version& version : found->second) {
    if (version.mod.main <= at) newest = &version;
  }
  return newest == nullptr || newest->tombstone ? nullptr : newest;
}

Model::Keys Model::Live(const std::string& key, const std::string& range_end, int64_t at) const {
  Keys keys;
  for (const auto& [name, versions] : history_) {
    if (!InRange(name, key, range_end)) continue;
    if (const Version* version = At(name, at)) keys.emplace_back(name, *version);
  }
  return keys;
}

// ---- reading ----

Result<RangeResponse> Model::Range(const RangeRequest& request) const {
  const int64_t at = request.revision() <= 0 ? revision_ : request.revision();
  if (at > revision_) return errors::FutureRevision();
  if (at < compacted_) return errors::Compacted();
  RangeResponse response;
  response.mutable_header()->set_revision(revision_);
  FillRange(request, at, response);
  return response;
}

void Model::FillRange(const RangeRequest& request, int64_t at, RangeResponse& response) const {
  Keys keys = Live(request.key(), request.range_end(), at);
  response.set_count(static_cast<int64_t>(keys.size()));
  if (request.count_only()) return;
  const bool filters = request.min_mod_revision() != 0 || request.max_mod_revision() != 0 ||
                       request.min_create_revision() != 0 || request.max_create_revision() != 0;
  const auto limit = static_cast<size_t>(std::max<int64_t>(request.limit(), 0));
  const bool limit_first = !filters && request.sort_order() == RangeRequest::NONE;
  if (limit_first && limit > 0 && keys.size() > limit + 1) keys.resize(limit + 1);
  std::erase_if(keys, [&](const auto& entry) {
    const Version& version = entry.second;
    return (request.min_mod_revision() != 0 && version.mod.main < request.min_mod_revision()) ||
           (request.max_mod_revision() != 0 && version.mod.main > request.max_mod_revision()) ||
           (request.min_create_revision() != 0 && version.create < request.min_create_revision()) ||
           (request.max_create_revision() != 0 && version.create > request.max_create_revision());
  });
  const auto less = [&](const auto& left, const auto& right) {
    switch (request.sort_target()) {
      case RangeRequest::VERSION:
        return left.second.version < right.second.version;
      case RangeRequest::CREATE:
        return left.second.create < right.second.create;
      case RangeRequest::MOD:
        return left.second.mod.main < right.second.mod.main;
      case RangeRequest::VALUE:
        return left.second.value < right.second.value;
      default:
        return left.first < right.first;
    }
  };
  if (request.sort_order() == RangeRequest::DESCEND) {
    std::stable_sort(keys.begin(), keys.end(),
                     [&](const auto& left, const auto& right) { return less(right, left); });
  } else {
    std::stable_sort(keys.begin(), keys.end(), less);
  }
  if (limit > 0 && keys.size() > limit) {
    keys.resize(limit);
    response.set_more(true);
  }
  for (const auto& [name, version] : keys) {
    *response.add_kvs() = Pair(name, version);
    if (request.keys_only()) response.mutable_kvs()->rbegin()->clear_value();
  }
}

// CRC over the changes that etcd would still have, in their order.
uint32_t Model::HashKv(int64_t at) const {
  std::map<Revision, std::pair<std::string, Version>> rows;
  const Keys live = Live(std::string(1, '\0'), std::string(1, '\0'), at);
  const Keys live_when_compacted = Live(std::string(1, '\0'), std::string(1, '\0'), compacted_);
  for (const auto& [name, version] : live.empty() ? live_when_compacted : live) {
    if (version.mod.main <= compacted_) rows[version.mod] = {name, version};
  }
  for (const auto& [name, versions] : history_) {
    for (const Version& version : versions) {
      if (version.mod.main > compacted_ && version.mod.main <= at) {
        rows[version.mod] = {name, version};
      }
    }
  }
  std::string bytes = "key";
  for (const auto& [revision, row] : rows) {
    AppendNumber(bytes, static_cast<uint64_t>(revision.main));
    bytes += '_';
    AppendNumber(bytes, static_cast<uint64_t>(revision.sub));
    mvccpb::KeyValue pair = Pair(row.first, row.second);
    if (row.second.tombstone) {
      bytes += 't';
      pair.clear_mod_revision();
    }
    bytes += pair.SerializeAsString();
  }
  return base::Crc32c(0, bytes);
}

std::vector<std::string> Model::LeaseKeys(int64_t lease) const {
  std::vector<std::string> keys;
  for (const auto& [name, version] : Live(std::string(1, '\0'), std::string(1, '\0'), revision_)) {
    if (version.lease == lease) keys.push_back(name);
  }
  return keys;
}

Model::Rows Model::RowsAfterCleanUp() const {
  Rows rows;
  for (const auto& [name, versions] : history_) {
    for (size_t i = 0; i < versions.size(); ++i) {
      const bool is_newest = i + 1 == versions.size();
      if (versions[i].mod.main < compacted_) {
        const bool seen = is_newest || versions[i + 1].mod.main > compacted_;
        if (versions[i].tombstone || !seen) continue;
      }
      ++(is_newest ? rows.keys : rows.versions);
    }
  }
  return rows;
}

// ---- changing ----

void Model::Write(const std::string& key, Version version) {
  mvccpb::Event& event = events_.emplace_back();
  const Version* before = At(key, revision_);
  const bool creates = version.create == revision_ + 1;
  if (before != nullptr && !creates) *event.mutable_prev_kv() = Pair(key, *before);
  version.mod = {revision_ + 1, sub_++};
  event.set_type(version.tombstone ? mvccpb::Event::DELETE : mvccpb::Event::PUT);
  *event.mutable_kv() = Pair(key, version);
  history_[key].push_back(std::move(version));
}

Status Model::CheckPut(const etcdserverpb::PutRequest& request, bool lease_first) const {
  const bool lease_missing = request.lease() != 0 && !leases_.contains(request.lease());
  const bool key_missing =
      (request.ignore_value() || request.ignore_lease()) && At(request.key(), revision_) == nullptr;
  if (lease_first && lease_missing) return errors::LeaseNotFound();
  if (key_missing) return errors::KeyNotFound();
  return lease_missing ? errors::LeaseNotFound() : Status();
}

void Model::Put(const etcdserverpb::PutRequest& request, etcdserverpb::PutResponse& response) {
  const Version* before = At(request.key(), revision_ + 1);
  if (request.prev_kv() && before != nullptr) {
    *response.mutable_prev_kv() = Pair(request.key(), *before);
  }
  Version version;
  version.create = before == nullptr ? revision_ + 1 : before->create;
  version.version = before == nullptr ? 1 : before->version + 1;
  version.value = request.value();
  version.lease = request.lease();
  if (request.ignore_value()) version.value = before == nullptr ? "" : before->value;
  if (request.ignore_lease()) version.lease = before == nullptr ? 0 : before->lease;
  Write(request.key(), version);
  response.mutable_header()->set_revision(revision_ + 1);
}

void Model::Delete(const etcdserverpb::DeleteRangeRequest& request,
                   etcdserverpb::DeleteRangeResponse& response) {
  const Keys keys = Live(request.key(), request.range_end(), revision_ + 1);
  for (const auto& [name, version] : keys) {
    if (request.prev_kv()) *response.add_prev_kvs() = Pair(name, version);
    Version tombstone;
    tombstone.tombstone = true;
    Write(name, tombstone);
  }
  response.set_deleted(static_cast<int64_t>(keys.size()));
  response.mutable_header()->set_revision(Now());
}

bool Model::Compares(const TxnRequest& txn) const {
  for (const Compare& compare : txn.compare()) {
    const Keys keys = Live(compare.key(), compare.range_end(), revision_);
    if (keys.empty()) {
      if (compare.target() == Compare::VALUE || !Holds(compare, Version{})) return false;
    }
    for (const auto& [name, version] : keys) {
      if (!Holds(compare, version)) return false;
    }
  }
  return true;
}

void Model::Choose(const TxnRequest& txn, std::vector<bool>& path) const {
  const bool succeeded = Compares(txn);
  path.push_back(succeeded);
  for (const auto& operation : succeeded ? txn.success() : txn.failure()) {
    if (operation.has_request_txn()) Choose(operation.request_txn(), path);
  }
}

Status Model::CheckTaken(const TxnRequest& txn, std::vector<bool>::const_iterator& path,
                         bool puts) const {
  for (const auto& operation : *path++ ? txn.success() : txn.failure()) {
    Status status;
    if (operation.has_request_txn()) status = CheckTaken(operation.request_txn(), path, puts);
    if (puts && operation.has_request_put()) status = CheckPut(operation.request_put(), false);
    const int64_t at = operation.request_range().revision();
    if (!puts && operation.has_request_range() && at != 0) {
      if (at > revision_) status = errors::FutureRevision();
      if (at < compacted_) status = errors::Compacted();
    }
    if (!status.ok()) return status;
  }
  return {};
}

void Model::Run(const TxnRequest& txn, std::vector<bool>::const_iterator& path,
                TxnResponse& response) {
  response.set_succeeded(*path);
  for (const auto& operation : *path++ ? txn.success() : txn.failure()) {
    auto& answer = *response.add_responses();
    if (operation.has_request_put()) Put(operation.request_put(), *answer.mutable_response_put());
    if (operation.has_request_delete_range()) {
      Delete(operation.request_delete_range(), *answer.mutable_response_delete_range());
    }
    if (operation.has_request_range()) {
      const RangeRequest& range = operation.request_range();
      auto& found = *answer.mutable_response_range();
      FillRange(range, range.revision() <= 0 ? revision_ + 1 : range.revision(), found);
      found.mutable_header()->set_revision(Now());
    }
    if (operation.has_request_txn()) {
      answer.mutable_response_txn()->mutable_header();
      Run(operation.request_txn(), path, *answer.mutable_response_txn());
    }
  }
}

Outcome Model::Apply(const Command& command) {
  const auto alarmed = [&](etcdserverpb::AlarmType type) {
    return std::any_of(alarms_.begin(), alarms_.end(),
                       [&](const auto& alarm) { return alarm.alarm() == type; });
  };
  const bool adds = command.has_put() || command.has_lease_grant() || Cost(command.txn()) > 0;
  const bool is_corrupt = std::any_of(alarms_.begin(), alarms_.end(), [](const auto& alarm) {
    return alarm.alarm() == etcdserverpb::CORRUPT && alarm.memberid() == 0;
  });
  if (!command.has_alarm() && is_corrupt) return {errors::Corrupt(), {}};
  if (adds && alarmed(etcdserverpb::NOSPACE)) return {errors::NoSpace(), {}};
  if (command.has_put()) {
    if (Status status = CheckPut(command.put(), true); !status.ok()) return {status, {}};
    etcdserverpb::PutResponse response;
    Put(command.put(), response);
    End();
    return {{}, response};
  }
  if (command.has_delete_range()) {
    etcdserverpb::DeleteRangeResponse response;
    Delete(command.delete_range(), response);
    End();
    return {{}, response};
  }
  if (command.has_txn()) {
    std::vector<bool> path;
    Choose(command.txn(), path);
    for (const bool puts : {true, false}) {
      auto at = path.cbegin();
      if (Status status = CheckTaken(command.txn(), at, puts); !status.ok()) return {status, {}};
    }
    TxnResponse response;
    auto at = path.cbegin();
    Run(command.txn(), at, response);
    End();
    response.mutable_header()->set_revision(revision_);
    return {{}, response};
  }
  if (command.has_compaction()) {
    const int64_t to = command.compaction().revision();
    if (to <= compacted_) return {errors::Compacted(), {}};
    if (to > revision_) return {errors::FutureRevision(), {}};
    compacted_ = to;
    etcdserverpb::CompactionResponse response;
    response.mutable_header()->set_revision(revision_);
    return {{}, response};
  }
  if (command.has_lease_grant()) {
    const auto& request = command.lease_grant();
    if (request.id() == 0) return {errors::LeaseNotFound(), {}};
    if (request.ttl() > 9'000'000'000) return {errors::LeaseTtlTooLarge(), {}};
    if (leases_.contains(request.id())) return {errors::LeaseExists(), {}};
    leases_[request.id()] = std::max<int64_t>(request.ttl(), 2);
    etcdserverpb::LeaseGrantResponse response;
    response.mutable_header()->set_revision(revision_);
    response.set_id(request.id());
    response.set_ttl(leases_[request.id()]);
    return {{}, response};
  }
  if (command.has_lease_revoke()) {
    const int64_t lease = command.lease_revoke().id();
    if (!leases_.contains(lease)) return {errors::LeaseNotFound(), {}};
    for (const std::string& key : LeaseKeys(lease)) {
      Version tombstone;
      tombstone.tombstone = true;
      Write(key, tombstone);
    }
    End();
    leases_.erase(lease);
    etcdserverpb::LeaseRevokeResponse response;
    response.mutable_header()->set_revision(revision_);
    return {{}, response};
  }
  if (command.has_alarm()) {
    const auto& request = command.alarm();
    etcdserverpb::AlarmResponse response;
    response.mutable_header()->set_revision(revision_);
    const auto same = [&](const auto& alarm) {
      return alarm.alarm() == request.alarm() && alarm.memberid() == request.memberid();
    };
    const auto found = std::find_if(alarms_.begin(), alarms_.end(), same);
    if (request.action() == etcdserverpb::AlarmRequest::GET) {
      std::vector<etcdserverpb::AlarmMember> sorted = alarms_;
      std::sort(sorted.begin(), sorted.end(), [](const auto& left, const auto& right) {
        return std::pair(left.alarm(), left.memberid()) <
               std::pair(right.alarm(), right.memberid());
      });
      for (const auto& alarm : sorted) {
        if (request.alarm() == etcdserverpb::NONE || alarm.alarm() == request.alarm()) {
          *response.add_alarms() = alarm;
        }
      }
    } else if (request.action() == etcdserverpb::AlarmRequest::ACTIVATE) {
      if (found == alarms_.end()) {
        alarms_.emplace_back().set_alarm(request.alarm());
        alarms_.back().set_memberid(request.memberid());
        *response.add_alarms() = alarms_.back();
      } else {
        *response.add_alarms() = *found;
      }
    } else if (found != alarms_.end()) {
      *response.add_alarms() = *found;
      alarms_.erase(found);
    }
    return {{}, response};
  }
  return {{base::Code::kUnimplemented, "unknown command"}, {}};
}

}  // namespace matricula::kv::test
