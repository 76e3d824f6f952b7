#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "etcd_rpc.pb.h"

// The rows that the store keeps in the engine, to the byte. The first byte of a key is its table:
//
//   'k' keys         key                                 → Version, the newest
//   'v' versions     escaped(key) 00 01 ~main:8 ~sub:4   → Version, an older one (newest first)
//   'c' changes      main:8 sub:4                        → Changes of one transaction, from that
//   one
//                                                          on, in the order they happened
//   'l' leases       lease:8                             → granted time to live, varint, seconds
//   'a' attachments  lease:8 key                         → nothing
//   'm' meta         one of the names below
//
// Numbers in keys are big-endian, ~ means inverted. Escaped: 00 becomes 00 ff, so that 00 01 ends
// a key, sorts before any continuation, and keys keep their order. A version that is replaced
// moves from 'k' to 'v' in the batch that replaces it, tombstones too: so whoever finds a newer
// version in 'k' than he may see, finds the right one in 'v' at any later time. A lease id is a
// number without sign here. All decoders are total: what no encoder wrote gives false, never more
// than that.
namespace matricula::kv {

// The version of everything written here; a store with a newer one is not opened.
inline constexpr uint64_t kFormatVersion = 1;

inline constexpr char kKeyTable = 'k';
inline constexpr char kVersionTable = 'v';
inline constexpr char kChangeTable = 'c';
inline constexpr char kLeaseTable = 'l';
inline constexpr char kAttachmentTable = 'a';

inline constexpr std::string_view kFormatRow = "mformat";          // varint
inline constexpr std::string_view kStateRow = "mstate";            // State but its digest
inline constexpr std::string_view kDigestRow = "mdigest";          // see EncodeDigest
inline constexpr std::string_view kCompactionRow = "mcompaction";  // Compaction
inline constexpr std::string_view kAlarmsRow = "malarms";          // (type, member) varints
inline constexpr std::string_view kMembersRow = "mmembers";        // see members.h
inline constexpr std::string_view kNoteRow = "mnote";              // see Mvcc::Apply
inline constexpr std::string_view kIdentityRow = "midentity";      // Identity

// The place of a change in the store's one order: `main` counts transactions, `sub` the changes
// within one.
struct Revision {
  int64_t main = 0;
  int64_t sub = 0;
  friend auto operator<=>(const Revision&, const Revision&) = default;
};

// A key's state after one change. A tombstone has only `mod`.
struct Version {
  Revision mod;
  int64_t create = 0;
  int64_t version = 0;
  int64_t lease = 0;
  bool tombstone = false;
  std::string_view value;  // of the row it was decoded from
};

// What happened in one change, and which version of the same key it made obsolete.
struct Change {
  Revision revision;
  bool tombstone = false;
  std::optional<Revision> replaces;  // absent: there was no row of the key
  std::string_view key;
};

// See digest.h.
struct Digest {
  static constexpr uint64_t kNotYet = ~uint64_t{0};

  uint64_t chain = 0;
  uint64_t sum = 0;
  uint64_t since = 0;
  friend bool operator==(const Digest&, const Digest&) = default;
};

struct State {
  int64_t revision = 1;        // of the newest transaction; an empty store has 1
  uint64_t applied_index = 0;  // of the log entry that the rows are the result of
  Digest digest;               // of the same; in a row of its own
  friend bool operator==(const State&, const State&) = default;
};

struct Compaction {
  int64_t revision = -1;  // reads below are refused; -1: there was none, though 0 can be one
  Revision cleaned;       // rows of changes below have been cleaned up after
  bool finished = true;   // everything up to `revision` has been
};

// Of this replica; no part of the replicated state.
struct Identity {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  // Drawn when the data was founded, so that the same member with another disk is recognised. Data
  // from before there were members to tell apart has the member's id here.
  uint64_t disk_id = 0;
};

// ---- keys and versions ----

std::string KeyRow(std::string_view key);
bool ParseKeyRow(std::string_view row, std::string_view& key);

// Appends the part of a version row's key that all versions of `key` share: its family.
void AppendFamily(std::string& out, std::string_view key);
// Appends what follows it. Rows of one key with a smaller revision sort after it.
void AppendInverted(std::string& out, Revision revision);
std::string VersionRow(std::string_view key, Revision revision);

void AppendVersion(std::string& out, const Version& version);
bool ParseVersion(std::string_view bytes, Version& version);

// ---- changes ----

// A row ends when it is longer than this, and another begins.
inline constexpr size_t kChangeRowBytes = 64u << 10;

std::string ChangeRow(Revision first);
bool ParseChangeRow(std::string_view row, Revision& first);
// Appends all but `revision`.
void AppendChange(std::string& out, const Change& change);
// Takes one off the front, and fills all but `revision`.
bool TakeChange(std::string_view& bytes, Change& change);

// ---- leases ----

std::string LeaseRow(int64_t lease);
bool ParseLeaseRow(std::string_view row, int64_t& lease);
std::string AttachmentRow(int64_t lease, std::string_view key);
// Behind the last attachment of a lease.
std::string EndOfAttachments(int64_t lease);
bool ParseAttachmentRow(std::string_view row, int64_t& lease, std::string_view& key);
std::string EncodeTtl(int64_t ttl_s);
bool ParseTtl(std::string_view bytes, int64_t& ttl_s);

// ---- meta ----

std::string EncodeState(const State& state);
bool ParseState(std::string_view bytes, State& state);
// With the applied index that it is of. A version that knows no digests leaves the row as it was:
// ParseDigest then gives one that counts from kNotYet on, as it does for an absent row (no bytes)
// of a store that is not new. The rest of `state` must be there already.
std::string EncodeDigest(const State& state);
bool ParseDigest(std::string_view bytes, State& state);
std::string EncodeCompaction(const Compaction& compaction);
bool ParseCompaction(std::string_view bytes, Compaction& compaction);
std::string EncodeAlarms(const std::vector<etcdserverpb::AlarmMember>& alarms);
bool ParseAlarms(std::string_view bytes, std::vector<etcdserverpb::AlarmMember>& alarms);
std::string EncodeIdentity(const Identity& identity);
bool ParseIdentity(std::string_view bytes, Identity& identity);

}  // namespace matricula::kv
