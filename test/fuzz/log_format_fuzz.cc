// deps: matricula_replication
// Any bytes as what the disk has of the raft log and of snapshots: damage is found, and what is
// read is written as just these bytes again.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/ensure.h"
#include "common/replication/envelope.h"
#include "common/replication/log_format.h"
#include "common/replication/meta.h"
#include "common/replication/snapshot_format.h"

namespace {

using namespace matricula;
using namespace matricula::replication;

void CheckDescription(std::string_view bytes) {
  const auto description = DecodeDescription(bytes);
  if (description.ok()) {
    ENSURE(EncodeDescription(*description) == bytes, "there is one way to write a description");
  }
}

void CheckEntry(std::string_view bytes) {
  constexpr uint32_t kBefore = 4711;
  const raft::Index index(7);
  if (const auto decoded = DecodeEntry(index, bytes, kBefore); decoded.ok()) {
    const EncodedEntry again = EncodeEntry(decoded->entry, kBefore);
    ENSURE(again.value == bytes && again.checksum == decoded->checksum, "one way for an entry");
  }
  // Whole ones are beyond chance, because of the checksum: make one, and damage it.
  const raft::Entry entry{index, raft::Term(bytes.size()), raft::EntryType::kCommand,
                          raft::Payload(std::string(bytes))};
  EncodedEntry encoded = EncodeEntry(entry, kBefore);
  const auto same = DecodeEntry(index, encoded.value, kBefore);
  ENSURE(same.ok() && same->entry.payload.view() == bytes, "an entry survives");
  ENSURE(!DecodeEntry(index + 1, encoded.value, kBefore).ok(), "it has one place");
  ENSURE(!DecodeEntry(index, encoded.value, kBefore + 1).ok(), "and one neighbour");
  char& somewhere = encoded.value[bytes.size() * 31 % encoded.value.size()];
  somewhere = static_cast<char>(somewhere ^ 0x40);
  ENSURE(!DecodeEntry(index, encoded.value, kBefore).ok(), "a flipped bit is found");
}

void CheckEnvelope(std::string_view bytes) {
  if (const auto envelope = OpenEnvelope(bytes)) {
    ENSURE(Seal(envelope->name, envelope->command).view() == bytes, "one way for an envelope");
  }
}

class OnePiece final : public ByteStream {
 public:
  explicit OnePiece(std::string_view bytes) : bytes_(bytes) {}
  base::Status Fill(std::string& buffer) override {
    buffer += bytes_;
    bytes_ = {};
    return {};
  }

 private:
  std::string_view bytes_;
};

void CheckSnapshot(std::string_view bytes) {
  OnePiece stream(bytes);
  SnapshotParser parser(stream);
  const auto meta = parser.ReadHeader();
  if (!meta.ok()) return;
  std::string again = EncodeSnapshotHeader(*meta);
  for (;;) {
    const auto more = parser.ReadRow();
    if (!more.ok()) return;
    if (!*more) break;
    AppendSnapshotRow(again, parser.key(), parser.value());
  }
  ENSURE(bytes.starts_with(again), "what was taken for rows is what is written for them");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckDescription(bytes);
  CheckEntry(bytes);
  CheckEnvelope(bytes);
  CheckSnapshot(bytes);
  if (const auto meta = DecodeMeta(bytes); meta.ok()) {
    ENSURE(EncodeMeta(*meta) == bytes, "one way for what a snapshot says of itself");
  }
  const raft::Index index = ParseEntryKey(bytes);
  if (index != raft::Index(0)) ENSURE(EntryKey(index) == bytes, "and for an entry's key");
  return 0;
}
