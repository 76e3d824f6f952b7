#include "common/kv/watch_pages.h"

#include <algorithm>

#include "common/kv/change_log.h"
#include "common/kv/range.h"

namespace matricula::kv {

using base::Result;
using base::Status;

Result<ChangePage> ChangePage::Read(const storage::Engine& engine,
                                    const storage::Snapshot& snapshot, int64_t from,
                                    int64_t through) {
  ChangePage page(engine, snapshot);
  Status status = page.ReadEntries(std::max<int64_t>(from, 0), through);
  if (!status.ok()) return status;
  return page;
}

Status ChangePage::ReadEntries(int64_t from, int64_t through) {
  ChangeWalk walk(*engine_, snapshot_, {from, 0}, through);
  last_revision_ = through;
  while (walk.Next()) {
    const Change& change = walk.change();
    const bool is_full = entries_.size() >= kMaxChanges;
    if (is_full && change.revision.main != entries_.back().revision.main) {
      last_revision_ = entries_.back().revision.main;
      return {};
    }
    entries_.push_back({change.revision, change.tombstone, std::string(change.key)});
  }
  return walk.status();
}

Status ChangePage::Load(const Entry& entry, bool with_previous, int64_t compacted_revision,
                        mvccpb::Event& event) const {
  mvccpb::KeyValue& pair = *event.mutable_kv();
  if (entry.tombstone) {
    event.set_type(mvccpb::Event::DELETE);
    pair.set_key(entry.key);
    pair.set_mod_revision(entry.revision.main);
  } else {
    EngineView view(*engine_, entry.revision.main, snapshot_);
    const auto version = view.Get(entry.key, entry.revision);
    if (!version.ok()) return version.status();
    FillKeyValue(entry.key, *version, pair);
  }
  const int64_t before = entry.revision.main - 1;
  const bool creates = pair.create_revision() == pair.mod_revision();
  if (!with_previous || creates || before < compacted_revision) return {};
  EngineView view(*engine_, before, snapshot_);
  const auto previous = view.Find(entry.key);
  if (!previous.ok()) return previous.status();
  if (*previous) FillKeyValue(entry.key, **previous, *event.mutable_prev_kv());
  return {};
}

}  // namespace matricula::kv
