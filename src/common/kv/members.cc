#include "common/kv/members.h"

#include <algorithm>

#include "common/kv/errors.h"

namespace matricula::kv {

using base::Code;
using base::Status;

Status Members::Apply(const MemberChange& change) {
  ++changes_;
  switch (change.change_case()) {
    case MemberChange::kAdd:
      FindOrAdd(change.add().member().id()) = change.add();
      return {};
    case MemberChange::kIntroduce:
      return Introduce(change.introduce());
    case MemberChange::kRemove:
      std::erase_if(records_, [&](const MemberRecord& record) {
        return record.member().id() == change.remove();
      });
      return {};
    case MemberChange::kMove: {
      MemberRecord* record = Find(change.move().id());
      if (record == nullptr) return errors::MemberNotFound();
      *record->mutable_member()->mutable_peerurls() = change.move().peerurls();
      return {};
    }
    case MemberChange::kPromoted:
      if (MemberRecord* record = Find(change.promoted())) record->clear_promote_when_ready();
      return {};
    case MemberChange::CHANGE_NOT_SET:
      break;
  }
  return {Code::kUnimplemented, "unknown change of the members"};
}

// Where its peers find it stays what was agreed on when it was added; a founding member was never
// added, and what it says itself is all that is known.
Status Members::Introduce(const MemberRecord& told) {
  MemberRecord& record = FindOrAdd(told.member().id());
  if (record.disk_id() != 0 && record.disk_id() != told.disk_id()) {
    return {Code::kFailedPrecondition, "this member had another disk before"};
  }
  record.set_disk_id(told.disk_id());
  etcdserverpb::Member& member = *record.mutable_member();
  member.set_name(told.member().name());
  *member.mutable_clienturls() = told.member().clienturls();
  if (member.peerurls().empty()) *member.mutable_peerurls() = told.member().peerurls();
  return {};
}

const MemberRecord* Members::Find(uint64_t id) const {
  const auto found = std::find_if(records_.begin(), records_.end(),
                                  [&](const auto& record) { return record.member().id() == id; });
  return found == records_.end() ? nullptr : &*found;
}

MemberRecord* Members::Find(uint64_t id) {
  return const_cast<MemberRecord*>(std::as_const(*this).Find(id));
}

MemberRecord& Members::FindOrAdd(uint64_t id) {
  if (MemberRecord* found = Find(id)) return *found;
  const auto place = std::find_if(records_.begin(), records_.end(),
                                  [&](const auto& record) { return record.member().id() > id; });
  MemberRecord& record = *records_.emplace(place);
  record.mutable_member()->set_id(id);
  return record;
}

std::string EncodeMembers(const std::vector<MemberRecord>& records) {
  MemberTable table;
  table.mutable_members()->Assign(records.begin(), records.end());
  return table.SerializeAsString();
}

bool ParseMembers(std::string_view bytes, std::vector<MemberRecord>& records) {
  MemberTable table;
  if (!table.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  records.assign(table.members().begin(), table.members().end());
  return true;
}

}  // namespace matricula::kv
