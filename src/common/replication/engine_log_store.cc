#include "common/replication/engine_log_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/ensure.h"
#include "common/replication/mutant.h"

namespace matricula::replication {
namespace {

using base::Code;
using base::Result;
using base::Status;
using storage::Durability;

constexpr size_t kCutBatchEntries = 1'000;

constexpr Durability WriteDurability() {
  return MutantIs(58) ? Durability::kBuffered : Durability::kSynced;
}

Status Damaged(const LogDescription& description, raft::Index index, std::string_view how) {
  return {Code::kDataLoss,
          fmt::format("the raft log is damaged: entry {} of {} to {}, all synced once: {}",
                      index.value(), description.first.value(), description.last.value(), how)};
}

storage::ReadOptions EntriesFrom(raft::Index first) {
  storage::ReadOptions options;
  options.lower = EntryKey(first);
  options.upper = kEntryPrefixEnd;
  return options;
}

}  // namespace

Result<std::unique_ptr<EngineLogStore>> EngineLogStore::Open(storage::Engine& engine) {
  std::unique_ptr<EngineLogStore> log(new EngineLogStore(engine));
  RETURN_IF_ERROR(log->Recover());
  return log;
}

Status EngineLogStore::Recover() {
  Result<std::string> bytes = engine_.Get(kDescriptionKey, nullptr);
  if (!bytes.ok() && bytes.status().code() != Code::kNotFound) return bytes.status();
  if (bytes.ok()) {
    Result<LogDescription> description = DecodeDescription(*bytes);
    if (!description.ok()) return description.status();
    description_ = *description;
  }

  const auto walk = engine_.NewIterator(EntriesFrom(description_.first));
  uint32_t checksum = description_.base_checksum;
  walk->Seek(EntryKey(description_.first));
  for (raft::Index expected = description_.first; expected <= description_.last; ++expected) {
    if (!walk->Valid()) RETURN_IF_ERROR(walk->status());
    if (!walk->Valid() || walk->key() != EntryKey(expected)) {
      return Damaged(description_, expected, "missing");
    }
    Result<DecodedEntry> decoded = DecodeEntry(expected, walk->value(), checksum);
    if (!decoded.ok()) return Damaged(description_, expected, decoded.status().message());
    checksum = decoded->checksum;
    slots_.push_back({decoded->entry.term, checksum, static_cast<uint32_t>(decoded->entry.Cost())});
    bytes_ += decoded->entry.Cost();
    walk->Next();
  }
  RETURN_IF_ERROR(walk->status());
  if (checksum != description_.last_checksum && !MutantIs(56)) {
    return Damaged(description_, description_.last, "not the one that was written last");
  }
  recovery_.entries = slots_.size();
  return CutTornTail();
}

// Entries beyond the last that the description names belong to a write that was never finished.
Status EngineLogStore::CutTornTail() {
  const auto walk = engine_.NewIterator(EntriesFrom(description_.last + 1));
  const auto batch = engine_.NewBatch();
  size_t in_batch = 0;
  for (walk->Seek(EntryKey(description_.last + 1)); walk->Valid(); walk->Next()) {
    batch->Delete(walk->key());
    ++recovery_.torn;
    if (++in_batch < kCutBatchEntries) continue;
    RETURN_IF_ERROR(engine_.Write(*batch, Durability::kBuffered));
    batch->Clear();
    in_batch = 0;
  }
  RETURN_IF_ERROR(walk->status());
  // Synced, so that what was cut off never comes back behind entries that take its place.
  return recovery_.torn == 0 ? Status() : engine_.Write(*batch, Durability::kSynced);
}

std::optional<raft::Term> EngineLogStore::TermAt(raft::Index index) const {
  if (index + 1 == description_.first) return description_.base_term;
  if (index < description_.first || index > description_.last) return std::nullopt;
  return slots_[index - description_.first].term;
}

std::vector<raft::Entry> EngineLogStore::Read(raft::Index from, raft::Index to,
                                              size_t max_bytes) const {
  std::vector<raft::Entry> entries;
  if (from < description_.first || from > description_.last) return entries;
  to = std::min(to, description_.last);
  const size_t slot = from - description_.first;
  uint32_t checksum = slot == 0 ? description_.base_checksum : slots_[slot - 1].checksum;
  const auto walk = engine_.NewIterator(EntriesFrom(from));
  walk->Seek(EntryKey(from));
  size_t cost = 0;
  for (raft::Index next = from; next <= to; ++next, walk->Next()) {
    cost += slots_[next - description_.first].cost;
    if (next != from && cost > max_bytes) break;
    Status damage = walk->Valid() && walk->key() == EntryKey(next)
                        ? Status()
                        : Damaged(description_, next, "missing");
    if (!walk->Valid() && !walk->status().ok()) damage = walk->status();
    if (damage.ok()) {
      Result<DecodedEntry> decoded = DecodeEntry(next, walk->value(), checksum);
      if (decoded.ok()) {
        checksum = decoded->checksum;
        entries.push_back(std::move(decoded->entry));
        continue;
      }
      damage = Damaged(description_, next, decoded.status().message());
    }
    if (read_status_.ok()) read_status_ = damage;
    break;
  }
  return entries;
}

Result<uint64_t> EngineLogStore::NewIncarnation() {
  if (!MutantIs(63) || description_.incarnation == 0) ++description_.incarnation;
  RETURN_IF_ERROR(Write(std::nullopt, {}));
  return description_.incarnation;
}

Status EngineLogStore::Write(const std::optional<raft::HardState>& hard_state,
                             std::span<const raft::Entry> entries) {
  const auto batch = engine_.NewBatch();
  const bool shorter = !entries.empty() && entries.back().index < description_.last;
  if (!entries.empty()) TruncateFrom(*batch, entries.front().index);
  Append(*batch, entries);
  const bool forgets_state = MutantIs(54) && !entries.empty();
  const bool describes = !(MutantIs(53) && shorter);
  return Commit(*batch, forgets_state ? std::nullopt : hard_state, describes);
}

Status EngineLogStore::Reset(raft::Index index, raft::Term term,
                             const std::optional<raft::HardState>& hard_state,
                             std::span<const raft::Entry> entries) {
  const auto batch = engine_.NewBatch();
  if (!MutantIs(65)) {
    TruncateFrom(*batch, description_.first);
    description_.first = index + 1;
    description_.base_term = term;
    description_.base_checksum = 0;
    description_.last = index;
    description_.last_checksum = 0;
  }
  Append(*batch, entries);
  return Commit(*batch, hard_state);
}

Status EngineLogStore::Compact(raft::Index first) {
  ENSURE(first > description_.first && first <= description_.last + 1,
         "only entries that are in the log can be compacted");
  ENSURE(first - description_.first <= kMaxCompactionEntries, "too many entries at once");
  const auto batch = engine_.NewBatch();
  for (raft::Index index = description_.first; index < first; ++index) {
    batch->Delete(EntryKey(index));
    description_.base_term = slots_.front().term;
    description_.base_checksum = slots_.front().checksum;
    bytes_ -= slots_.front().cost;
    slots_.pop_front();
  }
  description_.first = first;
  batch->Put(kDescriptionKey, EncodeDescription(description_));
  return engine_.Write(*batch, Durability::kBuffered);
}

void EngineLogStore::TruncateFrom(storage::WriteBatch& batch, raft::Index from) {
  ENSURE(from >= description_.first && from <= description_.last + 1,
         "the log would have a gap, or lose what it has compacted");
  for (raft::Index index = description_.last; index >= from; index = index - 1) {
    batch.Delete(EntryKey(index));
    bytes_ -= slots_.back().cost;
    slots_.pop_back();
  }
  description_.last = from - 1;
  description_.last_checksum = slots_.empty() ? description_.base_checksum : slots_.back().checksum;
}

void EngineLogStore::Append(storage::WriteBatch& batch, std::span<const raft::Entry> entries) {
  for (const raft::Entry& entry : entries) {
    ENSURE(entry.index == description_.last + 1, "entries must follow one another");
    const EncodedEntry encoded = EncodeEntry(entry, description_.last_checksum);
    batch.Put(EntryKey(entry.index), encoded.value);
    slots_.push_back({entry.term, encoded.checksum, static_cast<uint32_t>(entry.Cost())});
    bytes_ += entry.Cost();
    description_.last = entry.index;
    description_.last_checksum = encoded.checksum;
  }
}

// The description goes last: it never names an entry that a torn batch left out.
Status EngineLogStore::Commit(storage::WriteBatch& batch,
                              const std::optional<raft::HardState>& hard_state, bool describes) {
  if (hard_state) description_.hard_state = *hard_state;
  if (describes) batch.Put(kDescriptionKey, EncodeDescription(description_));
  return engine_.Write(batch, WriteDurability());
}

}  // namespace matricula::replication
