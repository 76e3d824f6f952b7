#include "common/kv/rows.h"

#include "common/kv/coding.h"
#include "common/storage/engine.h"

namespace matricula::kv {
namespace {

static_assert(kKeyTable == storage::kFilteredTable && kVersionTable == storage::kFamilyTable,
              "the tables in which keys are looked for have filters");

constexpr std::string_view kEscapedZero("\0\xff", 2);
constexpr std::string_view kEndOfKey("\0\1", 2);
constexpr size_t kRevisionBytes = 12;

constexpr unsigned char kTombstoneFlag = 1;
constexpr unsigned char kLeaseFlag = 2;     // a version with a lease
constexpr unsigned char kReplacesFlag = 4;  // a change of a key that existed
constexpr unsigned char kVersionFlags = kTombstoneFlag | kLeaseFlag;
constexpr unsigned char kChangeFlags = kTombstoneFlag | kReplacesFlag;

bool TakeFlags(std::string_view& bytes, unsigned char known, unsigned char& flags) {
  if (bytes.empty()) return false;
  flags = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  return (flags & ~known) == 0;
}

bool TakeTable(std::string_view& row, char table) {
  if (row.empty() || row.front() != table) return false;
  row.remove_prefix(1);
  return true;
}

}  // namespace

std::string KeyRow(std::string_view key) {
  std::string row(1, kKeyTable);
  row.append(key);
  return row;
}

bool ParseKeyRow(std::string_view row, std::string_view& key) {
  if (!TakeTable(row, kKeyTable)) return false;
  key = row;
  return true;
}

void AppendFamily(std::string& out, std::string_view key) {
  out.push_back(kVersionTable);
  for (;;) {
    const size_t zero = key.find('\0');
    out.append(key.substr(0, zero));
    if (zero == std::string_view::npos) break;
    out.append(kEscapedZero);
    key.remove_prefix(zero + 1);
  }
  out.append(kEndOfKey);
}

void AppendInverted(std::string& out, Revision revision) {
  AppendBigEndian64(out, ~static_cast<uint64_t>(revision.main));
  AppendBigEndian32(out, ~static_cast<uint32_t>(revision.sub));
}

std::string VersionRow(std::string_view key, Revision revision) {
  std::string row;
  row.reserve(key.size() + kEndOfKey.size() + kRevisionBytes + 1);
  AppendFamily(row, key);
  AppendInverted(row, revision);
  return row;
}

void AppendVersion(std::string& out, const Version& version) {
  const bool has_lease = version.lease != 0;
  out.push_back(
      static_cast<char>(version.tombstone ? kTombstoneFlag : (has_lease ? kLeaseFlag : 0)));
  AppendVarint(out, static_cast<uint64_t>(version.mod.main));
  AppendVarint(out, static_cast<uint64_t>(version.mod.sub));
  if (version.tombstone) return;
  AppendVarint(out, static_cast<uint64_t>(version.create));
  AppendVarint(out, static_cast<uint64_t>(version.version));
  if (has_lease) AppendVarint(out, static_cast<uint64_t>(version.lease));
  out.append(version.value);
}

bool ParseVersion(std::string_view bytes, Version& version) {
  version = Version{};
  unsigned char flags = 0;
  if (!TakeFlags(bytes, kVersionFlags, flags)) return false;
  if (!TakeVarint(bytes, version.mod.main) || !TakeVarint(bytes, version.mod.sub)) return false;
  version.tombstone = (flags & kTombstoneFlag) != 0;
  if (version.tombstone) return bytes.empty() && flags == kTombstoneFlag;
  if (!TakeVarint(bytes, version.create) || !TakeVarint(bytes, version.version)) return false;
  if ((flags & kLeaseFlag) != 0 && !TakeVarint(bytes, version.lease)) return false;
  version.value = bytes;
  return true;
}

std::string ChangeRow(Revision first) {
  std::string row(1, kChangeTable);
  AppendBigEndian64(row, static_cast<uint64_t>(first.main));
  AppendBigEndian32(row, static_cast<uint32_t>(first.sub));
  return row;
}

bool ParseChangeRow(std::string_view row, Revision& first) {
  if (!TakeTable(row, kChangeTable) || row.size() != kRevisionBytes) return false;
  first.main = static_cast<int64_t>(ReadBigEndian64(row));
  first.sub = ReadBigEndian32(row.substr(8));
  return first.main >= 0;
}

void AppendChange(std::string& out, const Change& change) {
  out.push_back(static_cast<char>((change.tombstone ? kTombstoneFlag : 0) |
                                  (change.replaces ? kReplacesFlag : 0)));
  if (change.replaces) {
    AppendVarint(out, static_cast<uint64_t>(change.replaces->main));
    AppendVarint(out, static_cast<uint64_t>(change.replaces->sub));
  }
  AppendVarint(out, change.key.size());
  out.append(change.key);
}

bool TakeChange(std::string_view& bytes, Change& change) {
  unsigned char flags = 0;
  if (!TakeFlags(bytes, kChangeFlags, flags)) return false;
  change.tombstone = (flags & kTombstoneFlag) != 0;
  change.replaces.reset();
  if ((flags & kReplacesFlag) != 0) {
    Revision replaced;
    if (!TakeVarint(bytes, replaced.main) || !TakeVarint(bytes, replaced.sub)) return false;
    change.replaces = replaced;
  }
  uint64_t size = 0;
  if (!TakeVarint(bytes, size) || size > bytes.size()) return false;
  change.key = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

std::string LeaseRow(int64_t lease) {
  std::string row(1, kLeaseTable);
  AppendBigEndian64(row, static_cast<uint64_t>(lease));
  return row;
}

bool ParseLeaseRow(std::string_view row, int64_t& lease) {
  if (!TakeTable(row, kLeaseTable) || row.size() != 8) return false;
  lease = static_cast<int64_t>(ReadBigEndian64(row));
  return true;
}

std::string AttachmentRow(int64_t lease, std::string_view key) {
  std::string row(1, kAttachmentTable);
  AppendBigEndian64(row, static_cast<uint64_t>(lease));
  row.append(key);
  return row;
}

std::string EndOfAttachments(int64_t lease) {
  // As numbers without sign, of which -1 is the greatest.
  if (lease == -1) return std::string(1, kAttachmentTable + 1);
  return AttachmentRow(static_cast<int64_t>(static_cast<uint64_t>(lease) + 1), {});
}

bool ParseAttachmentRow(std::string_view row, int64_t& lease, std::string_view& key) {
  if (!TakeTable(row, kAttachmentTable) || row.size() < 8) return false;
  lease = static_cast<int64_t>(ReadBigEndian64(row));
  key = row.substr(8);
  return true;
}

std::string EncodeTtl(int64_t ttl_s) {
  std::string bytes;
  AppendVarint(bytes, static_cast<uint64_t>(ttl_s));
  return bytes;
}

bool ParseTtl(std::string_view bytes, int64_t& ttl_s) {
  return TakeVarint(bytes, ttl_s) && bytes.empty();
}

std::string EncodeState(const State& state) {
  std::string bytes;
  AppendVarint(bytes, static_cast<uint64_t>(state.revision));
  AppendVarint(bytes, state.applied_index);
  return bytes;
}

bool ParseState(std::string_view bytes, State& state) {
  return TakeVarint(bytes, state.revision) && TakeVarint(bytes, state.applied_index) &&
         bytes.empty() && state.revision >= 1;
}

std::string EncodeDigest(const State& state) {
  std::string bytes;
  AppendVarint(bytes, state.applied_index);
  AppendVarint(bytes, state.digest.since);
  AppendBigEndian64(bytes, state.digest.chain);
  AppendBigEndian64(bytes, state.digest.sum);
  return bytes;
}

bool ParseDigest(std::string_view bytes, State& state) {
  state.digest = {0, 0, state == State() ? 0 : Digest::kNotYet};
  if (bytes.empty()) return true;
  uint64_t index = 0;
  uint64_t since = 0;
  if (!TakeVarint(bytes, index) || !TakeVarint(bytes, since) || bytes.size() != 16) return false;
  if (index != state.applied_index) return true;
  state.digest = {ReadBigEndian64(bytes), ReadBigEndian64(bytes.substr(8)), since};
  return true;
}

std::string EncodeCompaction(const Compaction& compaction) {
  std::string bytes;
  AppendVarint(bytes, static_cast<uint64_t>(compaction.revision));
  AppendVarint(bytes, static_cast<uint64_t>(compaction.cleaned.main));
  AppendVarint(bytes, static_cast<uint64_t>(compaction.cleaned.sub));
  AppendVarint(bytes, compaction.finished ? 1u : 0u);
  return bytes;
}

bool ParseCompaction(std::string_view bytes, Compaction& compaction) {
  uint64_t finished = 0;
  if (!TakeVarint(bytes, compaction.revision) || !TakeVarint(bytes, compaction.cleaned.main) ||
      !TakeVarint(bytes, compaction.cleaned.sub) || !TakeVarint(bytes, finished)) {
    return false;
  }
  compaction.finished = finished == 1;
  return bytes.empty() && finished <= 1;
}

std::string EncodeAlarms(const std::vector<etcdserverpb::AlarmMember>& alarms) {
  std::string bytes;
  for (const auto& alarm : alarms) {
    AppendVarint(bytes, static_cast<uint64_t>(alarm.alarm()));
    AppendVarint(bytes, alarm.memberid());
  }
  return bytes;
}

bool ParseAlarms(std::string_view bytes, std::vector<etcdserverpb::AlarmMember>& alarms) {
  alarms.clear();
  while (!bytes.empty()) {
    uint64_t type = 0;
    uint64_t member = 0;
    if (!TakeVarint(bytes, type) || !TakeVarint(bytes, member)) return false;
    alarms.emplace_back().set_alarm(static_cast<etcdserverpb::AlarmType>(type));
    alarms.back().set_memberid(member);
  }
  return true;
}

std::string EncodeIdentity(const Identity& identity) {
  std::string bytes;
  AppendBigEndian64(bytes, identity.cluster_id);
  AppendBigEndian64(bytes, identity.member_id);
  AppendBigEndian64(bytes, identity.disk_id);
  return bytes;
}

bool ParseIdentity(std::string_view bytes, Identity& identity) {
  if (bytes.size() != 16 && bytes.size() != 24) return false;
  identity.cluster_id = ReadBigEndian64(bytes);
  identity.member_id = ReadBigEndian64(bytes.substr(8));
  identity.disk_id = bytes.size() == 24 ? ReadBigEndian64(bytes.substr(16)) : identity.member_id;
  return true;
}

}  // namespace matricula::kv
