#include "common/kv/pending.h"

#include <algorithm>

#include "common/base/ensure.h"
#include "common/kv/digest.h"
#include "common/kv/mutant.h"
#include "common/kv/range.h"

namespace matricula::kv {

using base::Code;
using base::Result;
using base::Status;

Version KeyState::View() const {
  Version view = version;
  view.value = value;
  return view;
}

Pending::Pending(storage::Engine& engine, const State& state, const Compaction& compaction,
                 Collect collect)
    : engine_(engine),
      compaction_(compaction),
      committed_(engine, EngineView::kNewest),
      batch_(engine.NewBatch()),
      state_(state),
      flushed_revision_(state.revision),
      collect_(collect) {}

void Pending::Keep(const Status& status) {
  if (status_.ok()) status_ = status;
}

// ---- what is there ----

Pending::Entry& Pending::Load(std::string_view key) {
  auto position = overlay_.lower_bound(key);
  if (position != overlay_.end() && position->first == key) return *position;
  position = overlay_.emplace_hint(position, key, KeyState());
  const auto row = engine_.Get(KeyRow(key), nullptr);
  if (row.ok()) {
    LoadRow(*row, position->second);
  } else if (row.status().code() != Code::kNotFound) {
    Keep(row.status());
  }
  return *position;
}

void Pending::LoadRow(std::string_view bytes, KeyState& state) {
  if (!ParseVersion(bytes, state.version)) return Keep(DamagedRow("keys"));
  state.value = state.version.value;
  state.version.value = {};
  state.has_row = true;
}

void Pending::Prefetch(std::vector<std::string> rows) {
  ENSURE(overlay_.empty(), "what a group has changed is not fetched again");
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  std::vector<KeyState*> states;
  states.reserve(rows.size());
  for (const std::string& row : rows) {
    std::string_view key;
    ENSURE(ParseKeyRow(row, key), "rows of keys are fetched");
    // In order, so that each goes behind the one before.
    states.push_back(&overlay_.emplace_hint(overlay_.end(), key, KeyState())->second);
  }
  Keep(engine_.GetMany(rows, nullptr, [&](size_t number, std::string_view value) {
    LoadRow(value, *states[number]);
  }));
}

Result<std::optional<Version>> Pending::Find(std::string_view key) {
  const Entry& entry = Load(key);
  if (!status_.ok()) return status_;
  if (!entry.second.exists()) return std::optional<Version>();
  return std::optional(entry.second.View());
}

Status Pending::Scan(const KeyRange& range, Visitor visitor) {
  if (range.empty()) return {};
  if (range.single()) {
    const Entry& entry = Load(range.begin());
    if (entry.second.exists()) visitor(entry.first, entry.second.View());
    return status_;
  }
  bool wanted = true;
  auto next = overlay_.lower_bound(range.begin());
  const auto visit_next = [&] {
    const Entry& entry = *next++;
    if (entry.second.exists()) wanted = visitor(entry.first, entry.second.View());
    return wanted;
  };
  Keep(committed_.Scan(range, [&](std::string_view key, const Version& version) {
    while (next != overlay_.end() && next->first < key) {
      if (!visit_next()) return false;
    }
    if (next != overlay_.end() && next->first == key) return visit_next();
    return wanted = visitor(key, version);
  }));
  while (wanted && next != overlay_.end() && !range.IsBehind(next->first)) visit_next();
  return status_;
}

std::vector<Pending::Entry*> Pending::LoadRange(const KeyRange& range) {
  std::vector<std::pair<std::string, KeyState>> found;
  Keep(Scan(range, [&](std::string_view key, const Version& version) {
    KeyState& state = found.emplace_back(key, KeyState()).second;
    state.version = version;
    state.version.value = {};
    state.value = version.value;
    state.has_row = true;
    return true;
  }));
  std::vector<Entry*> entries;
  entries.reserve(found.size());
  for (auto& [key, state] : found) {
    entries.push_back(&*overlay_.try_emplace(std::move(key), std::move(state)).first);
  }
  return entries;
}

std::optional<int64_t> Pending::FindLease(int64_t lease) {
  const auto known = leases_.find(lease);
  if (known != leases_.end()) return known->second;
  std::optional<int64_t>& ttl_s = leases_[lease];
  const auto row = engine_.Get(LeaseRow(lease), nullptr);
  if (row.ok()) {
    int64_t parsed = 0;
    if (!ParseTtl(*row, parsed)) Keep(DamagedRow("leases"));
    ttl_s = parsed;
  } else if (row.status().code() != Code::kNotFound) {
    Keep(row.status());
  }
  return ttl_s;
}

// ---- changing it ----

void Pending::Put(Entry& entry, std::string_view value, int64_t lease) {
  auto* event = Announce(entry, mvccpb::Event::PUT);
  MoveAttachment(entry, lease);
  KeyState& state = entry.second;
  const uint64_t before = MutantIs(70) && state.changed ? 0 : HashOf(entry);
  Version version;
  version.create = state.exists() ? state.version.create : next_revision();
  version.version = state.version.version + (MutantIs(71) && state.changed ? 0 : 1);
  version.lease = lease;
  Replace(entry, version);
  if (value.data() != state.value.data()) state.value = value;
  kv::Replace(state_.digest, before, HashOf(entry));
  if (event != nullptr) FillKeyValue(entry.first, state.View(), *event->mutable_kv());
}

void Pending::Delete(Entry& entry) {
  ENSURE(entry.second.exists(), "only a key that exists is deleted");
  auto* event = Announce(entry, mvccpb::Event::DELETE);
  MoveAttachment(entry, 0);
  kv::Replace(state_.digest, HashOf(entry), 0);
  Version tombstone;
  tombstone.tombstone = true;
  Replace(entry, tombstone);
  entry.second.value.clear();
  if (event == nullptr) return;
  event->mutable_kv()->set_key(entry.first);
  event->mutable_kv()->set_mod_revision(next_revision());
}

// Makes `version`, all but its value, the key's newest, and what was the newest an older one.
void Pending::Replace(Entry& entry, const Version& version) {
  KeyState& state = entry.second;
  const Revision revision{next_revision(), changes_++};
  Change change{revision, version.tombstone, std::nullopt, entry.first};
  if (state.has_row) {
    MoveToOlder(entry);
    // A tombstone that is compacted may have been cleaned up on one replica and not yet on
    // another: the record of changes, which is the same everywhere, takes it as gone.
    const bool is_gone = !state.exists() && state.version.mod.main < compaction_.revision;
    if (!is_gone) change.replaces = state.version.mod;
  }
  change_rows_.Add(*batch_, change);

  state.version = version;
  state.version.mod = revision;
  state.has_row = true;
  if (!std::exchange(state.changed, true)) changed_.push_back(&entry);
}

void Pending::MoveToOlder(const Entry& entry) {
  row_.clear();
  bytes_.clear();
  AppendFamily(row_, entry.first);
  AppendInverted(row_, entry.second.version.mod);
  AppendVersion(bytes_, entry.second.View());
  batch_->Put(row_, bytes_);
}

void Pending::MoveAttachment(const Entry& entry, int64_t to) {
  const int64_t from = entry.second.version.lease;
  if (from == to) return;
  if (from != 0) batch_->Delete(AttachmentRow(from, entry.first));
  if (to != 0) batch_->Put(AttachmentRow(to, entry.first), {});
}

// Starts the event of a change with what is there before it.
mvccpb::Event* Pending::Announce(const Entry& entry, mvccpb::Event::EventType type) {
  if (!collect_.changes) return nullptr;
  mvccpb::Event& event = events_.emplace_back();
  event.set_type(type);
  const KeyState& state = entry.second;
  if (!collect_.previous) return &event;
  if (state.version.mod.main == next_revision()) {
    // The key's second change in one transaction; what a watch wants is the state before both.
    previous_incomplete_ = true;
  } else if (state.exists()) {
    FillKeyValue(entry.first, state.View(), *event.mutable_prev_kv());
  }
  return &event;
}

// A tombstone is nothing: whether it has been cleaned up differs from replica to replica.
uint64_t Pending::HashOf(const Entry& entry) {
  const KeyState& state = entry.second;
  return state.exists() ? HashOfKey(entry.first, state.version, state.value) : 0;
}

void Pending::PutLease(int64_t lease, int64_t ttl_s) {
  const std::optional<int64_t> before = FindLease(lease);
  kv::Replace(state_.digest, before ? HashOfLease(lease, *before) : 0, HashOfLease(lease, ttl_s));
  batch_->Put(LeaseRow(lease), EncodeTtl(ttl_s));
  leases_[lease] = ttl_s;
}

void Pending::DeleteLease(int64_t lease) {
  const std::optional<int64_t> before = FindLease(lease);
  kv::Replace(state_.digest, before ? HashOfLease(lease, *before) : 0, 0);
  batch_->Delete(LeaseRow(lease));
  leases_[lease] = std::nullopt;
}

void Pending::EndTransaction() {
  change_rows_.Finish(*batch_);
  state_.revision = revision_so_far();
  changes_ = 0;
}

// ---- writing ----

void Pending::EndCommand(uint64_t index, base::Code code) {
  state_.applied_index = index;
  Note(state_.digest, "command", index << 8 | static_cast<uint8_t>(code));
}

void Pending::Write(storage::Durability durability) {
  ENSURE(changes_ == 0, "only whole transactions are written");
  if (!status_.ok()) return;
  WriteChanged();
  batch_->Put(kStateRow, EncodeState(state_));
  batch_->Put(kDigestRow, EncodeDigest(state_));
  Keep(engine_.Write(*batch_, durability));
  batch_->Clear();
  flushed_revision_ = state_.revision;
}

// Each changed key's newest version, once, and in the order of keys, which the engine likes.
void Pending::WriteChanged() {
  std::sort(changed_.begin(), changed_.end(),
            [](const Entry* left, const Entry* right) { return left->first < right->first; });
  for (Entry* entry : changed_) {
    row_.assign(1, kKeyTable);
    row_.append(entry->first);
    bytes_.clear();
    AppendVersion(bytes_, entry->second.View());
    batch_->Put(row_, bytes_);
    entry->second.changed = false;
  }
  changed_.clear();
}

void Pending::Flush() { Write(storage::Durability::kBuffered); }

Status Pending::Commit(storage::Durability durability) {
  Write(durability);
  return status_;
}

}  // namespace matricula::kv
