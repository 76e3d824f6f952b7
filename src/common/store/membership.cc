#include "common/store/membership.h"

#include <algorithm>
#include <utility>

#include "common/kv/errors.h"
#include "common/kv/members.h"

namespace matricula::store {

using base::Code;
using base::MutexLock;
using base::Status;
using etcdserverpb::Member;

namespace {

bool Contains(const std::vector<raft::NodeId>& nodes, uint64_t id) {
  return std::find(nodes.begin(), nodes.end(), raft::NodeId(id)) != nodes.end();
}

}  // namespace

std::string AddressOf(const std::string& url) {
  const size_t scheme = url.find("://");
  return scheme == std::string::npos ? url : url.substr(scheme + 3);
}

void Membership::OnConf(const raft::ConfState& conf) {
  bool removed = false;
  {
    const MutexLock lock(mutex_);
    conf_ = conf;
    const bool is_member = conf.IsMember(raft::NodeId(options_.self.member_id));
    removed = was_member_ && !is_member;
    was_member_ = is_member;
  }
  TellAddresses();
  if (removed && options_.on_removed) options_.on_removed();
}

void Membership::OnRecords() { TellAddresses(); }

void Membership::TellAddresses() {
  if (!options_.on_addresses) return;
  std::map<uint64_t, std::string> addresses;
  for (const Member& member : List()) {
    if (!member.peerurls().empty()) addresses[member.id()] = AddressOf(member.peerurls(0));
  }
  options_.on_addresses(addresses);
}

raft::ConfState Membership::conf() const {
  const MutexLock lock(mutex_);
  return conf_;
}

Member Membership::Describe(uint64_t id, const kv::Members& known,
                            const raft::ConfState& conf) const {
  Member member;
  const auto founder = options_.founders.find(id);
  if (founder != options_.founders.end()) member = founder->second;
  if (id == options_.self.member_id && member.peerurls().empty()) member = options_.introduction;
  if (const kv::MemberRecord* record = known.Find(id)) member = record->member();
  member.set_id(id);
  member.set_islearner(Contains(conf.learners, id));
  return member;
}

std::vector<Member> Membership::List() const {
  const raft::ConfState conf = this->conf();
  const kv::Members known(mvcc_.KnownMembers());
  std::vector<Member> members;
  for (const raft::NodeId node : conf.Members()) {
    members.push_back(Describe(node.value(), known, conf));
  }
  return members;
}

// One that joins knows of no configuration at first, and takes everybody for a member.
bool Membership::IsMember(uint64_t id) const {
  const MutexLock lock(mutex_);
  return conf_.voters.empty() || conf_.IsMember(raft::NodeId(id));
}

bool Membership::IsLearner(uint64_t id) const {
  const MutexLock lock(mutex_);
  return Contains(conf_.learners, id);
}

bool Membership::IsVoter(uint64_t id) const {
  const MutexLock lock(mutex_);
  return conf_.IsVoter(raft::NodeId(id));
}

uint64_t Membership::DiskOf(uint64_t id) const {
  const kv::Members known(mvcc_.KnownMembers());
  const kv::MemberRecord* record = known.Find(id);
  return record == nullptr ? 0 : record->disk_id();
}

uint64_t Membership::IdAt(const std::string& address) const {
  for (const Member& member : List()) {
    for (const std::string& url : member.peerurls()) {
      if (AddressOf(url) == address) return member.id();
    }
  }
  return 0;
}

std::vector<uint64_t> Membership::AwaitingPromotion() const {
  std::vector<uint64_t> waiting;
  for (const kv::MemberRecord& record : mvcc_.KnownMembers()) {
    if (record.promote_when_ready() && IsLearner(record.member().id())) {
      waiting.push_back(record.member().id());
    }
  }
  return waiting;
}

base::Result<peer::JoinAnswer> Membership::Join(const peer::JoinRequest& request) const {
  const kv::Members known(mvcc_.KnownMembers());
  for (const kv::MemberRecord& record : known.records()) {
    const auto& urls = record.member().peerurls();
    const bool meant = std::any_of(urls.begin(), urls.end(), [&](const std::string& url) {
      return AddressOf(url) == request.address();
    });
    if (!meant || !IsMember(record.member().id())) continue;
    if (record.disk_id() != 0) {
      return Status(Code::kFailedPrecondition,
                    "the member with the address " + request.address() +
                        " has been started before, with other data: remove it and add it anew");
    }
    peer::JoinAnswer answer;
    answer.set_cluster_id(options_.self.cluster_id);
    answer.set_member_id(record.member().id());
    return answer;
  }
  return Status(Code::kNotFound, "no member with the address " + request.address() +
                                     " has been added to the cluster");
}

std::optional<kv::Command> Membership::Introduction() const {
  const uint64_t id = options_.self.member_id;
  {
    const MutexLock lock(mutex_);
    if (!conf_.IsMember(raft::NodeId(id))) return std::nullopt;
  }
  const kv::Members known(mvcc_.KnownMembers());
  const kv::MemberRecord* record = known.Find(id);
  const Member& mine = options_.introduction;
  if (record != nullptr && record->disk_id() == options_.self.disk_id &&
      record->member().name() == mine.name() &&
      std::equal(mine.clienturls().begin(), mine.clienturls().end(),
                 record->member().clienturls().begin(), record->member().clienturls().end())) {
    return std::nullopt;
  }
  kv::Command command;
  kv::MemberRecord& told = *command.mutable_member_change()->mutable_introduce();
  *told.mutable_member() = mine;
  told.mutable_member()->set_id(id);
  told.set_disk_id(options_.self.disk_id);
  return command;
}

}  // namespace matricula::store
