#include <catch2/catch.hpp>

#include "common/replication/envelope.h"
#include "common/replication/log_format.h"
#include "common/replication/meta.h"

namespace matricula::replication {
namespace {

using raft::Index;
using raft::NodeId;
using raft::Term;

TEST_CASE("meta: what is encoded comes back, and nothing else is believed") {
  raft::SnapshotMeta meta{Index(77), Term(5), {}};
  meta.conf.voters = {NodeId(1), NodeId(2), NodeId(900)};
  meta.conf.learners = {NodeId(4)};
  const std::string bytes = EncodeMeta(meta);
  REQUIRE(DecodeMeta(bytes).ok());
  CHECK(*DecodeMeta(bytes) == meta);
  const raft::SnapshotMeta without_conf{Index(77), Term(5), {}};
  const size_t short_size = EncodeMeta(without_conf).size();
  for (size_t size = 0; size < bytes.size(); ++size) {
    if (size == short_size) continue;
    CHECK_FALSE(DecodeMeta(bytes.substr(0, size)).ok());
  }
  CHECK_FALSE(DecodeMeta(bytes + "x").ok());
  CHECK_FALSE(DecodeMeta("\x02" + bytes.substr(1)).ok());
}

TEST_CASE("meta: a node that joins and was restarted knows no configuration yet") {
  const raft::SnapshotMeta meta{Index(7), Term(5), {}};
  REQUIRE(DecodeMeta(EncodeMeta(meta)).ok());
  CHECK(*DecodeMeta(EncodeMeta(meta)) == meta);
}

TEST_CASE("envelope: the name and the command come apart again") {
  const raft::Ticket name{NodeId(3), 9, 1'000'000'007};
  const raft::Payload sealed = Seal(name, "the command");
  const auto envelope = OpenEnvelope(sealed.view());
  REQUIRE(envelope.has_value());
  CHECK(envelope->name == name);
  CHECK(envelope->command == "the command");
  CHECK(Seal(name, "").size() == kEnvelopeBytes);
  CHECK_FALSE(OpenEnvelope(sealed.view().substr(0, kEnvelopeBytes - 1)).has_value());
}

TEST_CASE("log format: the description survives, and every flipped bit is noticed") {
  LogDescription description;
  description.incarnation = 7;
  description.hard_state = {Term(4), NodeId(2), Index(90)};
  description.first = Index(11);
  description.base_term = Term(3);
  description.base_checksum = 0xdeadbeef;
  description.last = Index(99);
  description.last_checksum = 0x01020304;
  const std::string bytes = EncodeDescription(description);
  REQUIRE(DecodeDescription(bytes).ok());
  CHECK(*DecodeDescription(bytes) == description);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(DecodeDescription(flipped).ok());
  }
  CHECK_FALSE(DecodeDescription("").ok());
  CHECK_FALSE(DecodeDescription("abc").ok());
}

TEST_CASE("log format: keys sort like indexes") {
  CHECK(EntryKey(Index(255)) < EntryKey(Index(256)));
  CHECK(EntryKey(Index(1)) > std::string(kEntryPrefix));
  CHECK(EntryKey(Index(UINT64_MAX)) < std::string(kEntryPrefixEnd));
}

TEST_CASE("log format: an entry is believed only behind its neighbour and whole") {
  const raft::Entry entry{Index(5), Term(2), raft::EntryType::kCommand,
                          raft::Payload(std::string("payload"))};
  const EncodedEntry encoded = EncodeEntry(entry, 42);
  const auto decoded = DecodeEntry(Index(5), encoded.value, 42);
  REQUIRE(decoded.ok());
  CHECK(decoded->entry == entry);
  CHECK(decoded->checksum == encoded.checksum);
  CHECK_FALSE(DecodeEntry(Index(5), encoded.value, 43).ok());  // another neighbour
  CHECK_FALSE(DecodeEntry(Index(6), encoded.value, 42).ok());  // another place
  for (size_t bit = 0; bit < encoded.value.size() * 8; ++bit) {
    std::string flipped = encoded.value;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(DecodeEntry(Index(5), flipped, 42).ok());
  }
  for (size_t size = 0; size < encoded.value.size(); ++size) {
    CHECK_FALSE(DecodeEntry(Index(5), encoded.value.substr(0, size), 42).ok());
  }
}

}  // namespace
}  // namespace matricula::replication
