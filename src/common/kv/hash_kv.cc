#include "common/kv/hash_kv.h"

#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "common/base/crc32c.h"
#include "common/kv/change_log.h"
#include "common/kv/coding.h"
#include "common/kv/engine_view.h"
#include "common/kv/range.h"

namespace matricula::kv {
namespace {

using base::Result;
using base::Status;

// Keys held in memory while they are put in the order of revisions.
constexpr size_t kMaxBytesInMemory = 16u << 20;

// A key with the revision of its version; greater ones are later.
using Kept = std::pair<Revision, std::string>;

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
    if (compacted_revision_ > 0) RETURN_IF_ERROR(AddKept());
    ChangeWalk walk(engine_, &snapshot_, {compacted_revision_ + 1, 0}, revision_);
    while (walk.Next()) {
      const Change& change = walk.change();
      RETURN_IF_ERROR(Add(change.key, change.revision, change.tombstone));
    }
    RETURN_IF_ERROR(walk.status());
    return crc_;
  }

 private:
  // Of what is compacted, the versions that exist at the revision. etcd takes an empty set of
  // these for "nothing was compacted"; then whatever the compaction left counts.
  Status AddKept() {
    bool empty = true;
    RETURN_IF_ERROR(at_revision_.Scan(
        kEverything, [&](std::string_view, const Version&) { return empty = false; }));
    EngineView& view = empty ? at_compaction_ : at_revision_;
    Revision after;
    for (bool more = true; more;) RETURN_IF_ERROR(AddNextKept(view, after, more));
    return {};
  }

  // Those that come next in the order of revisions, as many as memory is to take.
  Status AddNextKept(EngineView& view, Revision& after, bool& more) {
    std::priority_queue<Kept> first;
    size_t bytes = 0;
    more = false;
    const auto cost = [](std::string_view key) { return key.size() + sizeof(Kept); };
    RETURN_IF_ERROR(view.Scan(kEverything, [&](std::string_view key, const Version& version) {
      if (version.mod <= after || version.mod.main > compacted_revision_) return true;
      bytes += cost(key);
      first.emplace(version.mod, key);
      while (bytes > kMaxBytesInMemory && first.size() > 1) {
        bytes -= cost(first.top().second);
        first.pop();
        more = true;
      }
      return true;
    }));
    std::vector<Kept> backwards;
    for (; !first.empty(); first.pop()) backwards.push_back(first.top());
    for (auto kept = backwards.rbegin(); kept != backwards.rend(); ++kept) {
      RETURN_IF_ERROR(Add(kept->second, kept->first, false));
      after = kept->first;
    }
    return {};
  }

  Status Add(std::string_view key, Revision revision, bool tombstone) {
    pair_.Clear();
    if (tombstone) {
      pair_.set_key(key.data(), key.size());
    } else {
      const auto version = at_revision_.Get(key, revision);
      if (!version.ok()) return version.status();
      FillKeyValue(key, *version, pair_);
    }
    bytes_.clear();
    AppendBigEndian64(bytes_, static_cast<uint64_t>(revision.main));
    bytes_.push_back('_');
    AppendBigEndian64(bytes_, static_cast<uint64_t>(revision.sub));
    if (tombstone) bytes_.push_back('t');
    pair_.AppendToString(&bytes_);
    crc_ = base::Crc32c(crc_, bytes_);
    return {};
  }

  inline static const KeyRange kEverything{std::string_view("\0", 1), std::string_view("\0", 1)};

  const storage::Engine& engine_;
  const storage::Snapshot& snapshot_;
  const int64_t revision_;
  const int64_t compacted_revision_;
  EngineView at_revision_;
  EngineView at_compaction_;
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
