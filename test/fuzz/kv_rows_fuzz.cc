// deps: matricula_kv
// Any bytes as each kind of row that the store keeps: a decoder says no or gives something that the
// encoder makes a row of which reads the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/ensure.h"
#include "common/kv/rows.h"

namespace {

using namespace matricula::kv;

void CheckKeys(std::string_view text) {
  std::string_view key;
  if (ParseKeyRow(text, key)) ENSURE(KeyRow(key) == text, "a key row has one spelling");
  int64_t lease = 0;
  if (ParseLeaseRow(text, lease)) ENSURE(LeaseRow(lease) == text, "so has a lease row");
  if (ParseAttachmentRow(text, lease, key)) {
    ENSURE(AttachmentRow(lease, key) == text, "so has an attachment");
    ENSURE(text < EndOfAttachments(lease), "attachments of a lease end behind all of them");
  }
  Revision first;
  if (ParseChangeRow(text, first)) ENSURE(ChangeRow(first) == text, "so has a row of changes");
}

// Two keys keep their order in the table of versions, and a newer revision comes first.
void CheckOrder(std::string_view text) {
  const std::string_view a = text.substr(0, text.size() / 2);
  const std::string_view b = text.substr(text.size() / 2);
  const Revision revision{7, 3};
  ENSURE((VersionRow(a, revision) < VersionRow(b, revision)) == (a < b), "keys keep their order");
  ENSURE(VersionRow(a, {8, 0}) < VersionRow(a, revision), "the newest comes first");
  ENSURE(VersionRow(a, {7, 4}) < VersionRow(a, revision), "also within a transaction");
}

void CheckVersion(std::string_view text) {
  Version version;
  if (!ParseVersion(text, version)) return;
  std::string again;
  AppendVersion(again, version);
  Version copy;
  ENSURE(ParseVersion(again, copy), "what is written is read");
  ENSURE(copy.mod == version.mod && copy.create == version.create && copy.lease == version.lease &&
             copy.version == version.version && copy.tombstone == version.tombstone &&
             copy.value == version.value,
         "a version survives");
}

void CheckChanges(std::string_view text) {
  std::string again;
  int changes = 0;
  Change change;
  for (std::string_view left = text; !left.empty() && TakeChange(left, change); ++changes) {
    AppendChange(again, change);
  }
  std::string_view left = again;
  for (; changes > 0; --changes) ENSURE(TakeChange(left, change), "changes survive");
  ENSURE(left.empty(), "and nothing else is there");
}

void CheckMeta(std::string_view text) {
  State state, same_state;
  if (ParseState(text, state)) {
    ENSURE(ParseState(EncodeState(state), same_state) && same_state == state, "a state survives");
  }
  Compaction compaction, same;
  if (ParseCompaction(text, compaction)) {
    ENSURE(ParseCompaction(EncodeCompaction(compaction), same) &&
               same.revision == compaction.revision && same.cleaned == compaction.cleaned &&
               same.finished == compaction.finished,
           "a compaction survives");
  }
  std::vector<etcdserverpb::AlarmMember> alarms, same_alarms;
  if (ParseAlarms(text, alarms)) {
    ENSURE(ParseAlarms(EncodeAlarms(alarms), same_alarms) && same_alarms.size() == alarms.size(),
           "alarms survive");
  }
  Identity identity, same_identity;
  if (ParseIdentity(text, identity)) {
    // The older form, without a disk's id, is written in the newer one.
    const std::string written = EncodeIdentity(identity);
    ENSURE(text.size() < written.size() || written == text, "an identity survives");
    ENSURE(ParseIdentity(written, same_identity) && EncodeIdentity(same_identity) == written,
           "also one of the older form");
  }
  int64_t ttl_s = 0, same_ttl_s = 0;
  if (ParseTtl(text, ttl_s)) {
    ENSURE(ParseTtl(EncodeTtl(ttl_s), same_ttl_s) && same_ttl_s == ttl_s, "and a time to live");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckKeys(text);
  CheckOrder(text);
  CheckVersion(text);
  CheckChanges(text);
  CheckMeta(text);
  return 0;
}
