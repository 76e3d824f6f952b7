#include "common/kv/pending.h"

#include "common/base/ensure.h"
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

Pending::Pending(storage::Engine& engine, const State& state, Collect collect)
    : engine_(engine),
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
  position = overlay_.emplace_hint(position, key, KeyState{});
  const auto found = committed_.Find(key);
  if (!found.ok()) {
    Keep(found.status());
  } else if (*found) {
    KeyState& state = position->second;
    state.version = **found;
    state.value = state.version.value;
    state.version.value = {};
    state.exists = true;
  }
  return *position;
}

Result<std::optional<Version>> Pending::Find(std::string_view key) {
  const Entry& entry = Load(key);
  if (!status_.ok()) return status_;
  if (!entry.second.exists) return std::optional<Version>();
  return std::optional(entry.second.View());
}

Status Pending::Scan(const KeyRange& range, Visitor visitor) {
  if (range.empty()) return {};
  if (range.single()) {
    const Entry& entry = Load(range.begin());
    if (entry.second.exists) visitor(entry.first, entry.second.View());
    return status_;
  }
  bool wanted = true;
  auto next = overlay_.lower_bound(range.begin());
  const auto visit_next = [&] {
    const Entry& entry = *next++;
    if (entry.second.exists) wanted = visitor(entry.first, entry.second.View());
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
    auto& state =
        found.emplace_back(key, KeyState{version, std::string(version.value), true}).second;
    state.version.value = {};
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
  Version& version = state.version;
  const auto replaced = state.exists ? std::optional(version.mod) : std::nullopt;
  version.create = state.exists ? version.create : next_revision();
  version.version = state.exists ? version.version + 1 : 1;
  version.mod = {next_revision(), changes_++};
  version.lease = lease;
  version.tombstone = false;
  state.exists = true;
  if (value.data() != state.value.data()) state.value = value;
  WriteRows(entry, replaced);
  if (event != nullptr) FillKeyValue(entry.first, state.View(), *event->mutable_kv());
}

void Pending::Delete(Entry& entry) {
  KeyState& state = entry.second;
  ENSURE(state.exists, "only a key that exists is deleted");
  auto* event = Announce(entry, mvccpb::Event::DELETE);
  MoveAttachment(entry, 0);
  const Revision replaced = state.version.mod;
  state.version = Version{};
  state.version.mod = {next_revision(), changes_++};
  state.version.tombstone = true;
  state.value.clear();
  state.exists = false;
  WriteRows(entry, replaced);
  if (event == nullptr) return;
  event->mutable_kv()->set_key(entry.first);
  event->mutable_kv()->set_mod_revision(next_revision());
}

void Pending::WriteRows(const Entry& entry, std::optional<Revision> replaced) {
  const Version version = entry.second.View();
  row_.clear();
  bytes_.clear();
  AppendFamily(row_, entry.first);
  AppendInverted(row_, version.mod);
  AppendVersion(bytes_, version);
  batch_->Put(row_, bytes_);

  row_.clear();
  bytes_.clear();
  AppendChangeRow(row_, version.mod);
  AppendChange(bytes_, {version.mod, version.tombstone, replaced, entry.first});
  batch_->Put(row_, bytes_);
}

void Pending::MoveAttachment(const Entry& entry, int64_t to) {
  const int64_t from = entry.second.exists ? entry.second.version.lease : 0;
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
  } else if (state.exists) {
    FillKeyValue(entry.first, state.View(), *event.mutable_prev_kv());
  }
  return &event;
}

void Pending::PutLease(int64_t lease, int64_t ttl_s) {
  batch_->Put(LeaseRow(lease), EncodeTtl(ttl_s));
  leases_[lease] = ttl_s;
}

void Pending::DeleteLease(int64_t lease) {
  batch_->Delete(LeaseRow(lease));
  leases_[lease] = std::nullopt;
}

void Pending::EndTransaction() {
  state_.revision = revision_so_far();
  changes_ = 0;
}

// ---- writing ----

void Pending::Write(storage::Durability durability) {
  ENSURE(changes_ == 0, "only whole transactions are written");
  if (!status_.ok()) return;
  batch_->Put(kStateRow, EncodeState(state_));
  Keep(engine_.Write(*batch_, durability));
  batch_->Clear();
  flushed_revision_ = state_.revision;
}

void Pending::Flush() { Write(storage::Durability::kBuffered); }

Status Pending::Commit(storage::Durability durability) {
  Write(durability);
  return status_;
}

}  // namespace matricula::kv
