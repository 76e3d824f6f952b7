#include "common/kv/hash_kv.h"

#include "common/base/crc32c.h"
#include "common/kv/coding.h"
#include "common/kv/engine_view.h"
#include "common/kv/range.h"

namespace matricula::kv {
namespace {

using base::Result;
using base::Status;

class Hasher {
 public:
  Hasher(const storage::Engine& engine, const storage::Snapshot& snapshot, int64_t revision,
         int64_t compacted_revision)
      : engine_(engine),
        snapshot_(snapshot),
        revision_(revision),
        compacted_revision_(compacted_revision),
        at_revision_(engine, revision, &snapshot),
        at_compaction_(engine, compacted_revision, &snapshot) {}

  Result<uint32_t> Run() {
    if (compacted_revision_ > 0) RETURN_IF_ERROR(FindOutWhetherEmpty());
    storage::ReadOptions options;
    options.snapshot = &snapshot_;
    options.lower = ChangeRow({0, 0});
    options.upper = ChangeRow({revision_ + 1, 0});
    const auto rows = engine_.NewIterator(options);
    for (rows->Seek(options.lower); rows->Valid(); rows->Next()) {
      Change change;
      if (!ParseChangeRow(rows->key(), change.revision) || !ParseChange(rows->value(), change)) {
        return DamagedRow("changes");
      }
      RETURN_IF_ERROR(Add(change));
    }
    RETURN_IF_ERROR(rows->status());
    return crc_;
  }

 private:
  // etcd compares with the set of pairs that exist at the revision, but takes an empty set for
  // "nothing was compacted": then whatever the compaction left counts.
  Status FindOutWhetherEmpty() {
    return at_revision_.Scan(KeyRange(std::string_view("\0", 1), std::string_view("\0", 1)),
                             [this](std::string_view, const Version&) { return empty_ = false; });
  }

  Status Add(const Change& change) {
    if (change.revision.main <= compacted_revision_) {
      EngineView& view = empty_ ? at_compaction_ : at_revision_;
      const auto kept = view.Find(change.key);
      if (!kept.ok()) return kept.status();
      if (!*kept || (*kept)->mod != change.revision) return {};
    }
    pair_.Clear();
    if (change.tombstone) {
      pair_.set_key(change.key.data(), change.key.size());
    } else {
      const auto row = engine_.Get(DataRow(change.key, change.revision), &snapshot_);
      if (!row.ok()) return row.status();
      Version version;
      version.mod = change.revision;
      if (!ParseVersion(*row, version)) return DamagedRow("data");
      FillKeyValue(change.key, version, pair_);
    }
    AddPair(change);
    return {};
  }

  void AddPair(const Change& change) {
    bytes_.clear();
    AppendBigEndian64(bytes_, static_cast<uint64_t>(change.revision.main));
    bytes_.push_back('_');
    AppendBigEndian64(bytes_, static_cast<uint64_t>(change.revision.sub));
    if (change.tombstone) bytes_.push_back('t');
    pair_.AppendToString(&bytes_);
    crc_ = base::Crc32c(crc_, bytes_);
  }

  const storage::Engine& engine_;
  const storage::Snapshot& snapshot_;
  const int64_t revision_;
  const int64_t compacted_revision_;
  EngineView at_revision_;
  EngineView at_compaction_;
  bool empty_ = true;
  mvccpb::KeyValue pair_;
  std::string bytes_;
  uint32_t crc_ = base::Crc32c(0, "key");
};

}  // namespace

Result<uint32_t> HashKv(const storage::Engine& engine, const storage::Snapshot& snapshot,
                        int64_t revision, int64_t compacted_revision) {
  return Hasher(engine, snapshot, revision, compacted_revision).Run();
}

}  // namespace matricula::kv
