#include "common/sync/record_cache.h"

#include <algorithm>
#include <utility>

namespace matricula::sync {

const RecordCache::Value* RecordCache::Find(std::string_view key, int64_t revision) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  Entry& entry = found->second;
  if (std::max(entry.as_of, reached_) < revision) return nullptr;
  by_use_.splice(by_use_.begin(), by_use_, entry.used);
  return &entry.kv;
}

void RecordCache::Keep(std::string_view key, Value kv, int64_t as_of) {
  if (as_of < reached_) return;
  const auto found = entries_.find(key);
  if (found != entries_.end()) {
    if (found->second.as_of > as_of) return;
    Drop(found);
  }
  const size_t bytes = kEntryOverheadBytes + key.size() + (kv ? kv->ByteSizeLong() : 0);
  bytes_ += bytes;
  const auto entry =
      entries_.emplace(std::string(key), Entry{std::move(kv), as_of, bytes, by_use_.end()}).first;
  by_use_.push_front(&entry->first);
  entry->second.used = by_use_.begin();
  while (entries_.size() > max_keys_ || bytes_ > max_bytes_) {
    Drop(entries_.find(*by_use_.back()));
    ++evictions_;
  }
}

void RecordCache::Reach(int64_t revision, const std::vector<std::string>& changed) {
  for (const std::string& key : changed) {
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.as_of < revision) Drop(found);
  }
  reached_ = std::max(reached_, revision);
}

void RecordCache::Clear() {
  entries_.clear();
  by_use_.clear();
  bytes_ = 0;
  reached_ = 0;
}

void RecordCache::Drop(Entries::iterator entry) {
  bytes_ -= entry->second.bytes;
  by_use_.erase(entry->second.used);
  entries_.erase(entry);
}

}  // namespace matricula::sync
