#include "common/sync/record_cache.h"

#include <algorithm>
#include <utility>

namespace matricula::sync {

std::optional<std::optional<mvccpb::KeyValue>> RecordCache::Find(std::string_view key,
                                                                 int64_t revision) {
  const auto found = entries_.find(std::string(key));
  if (found == entries_.end()) return std::nullopt;
  Entry& entry = found->second;
  if (std::max(entry.as_of, reached_) < revision) return std::nullopt;
  by_use_.splice(by_use_.begin(), by_use_, entry.used);
  return entry.kv;
}

void RecordCache::Keep(std::string_view key, std::optional<mvccpb::KeyValue> kv, int64_t as_of) {
  if (as_of < reached_) return;
  const std::string name(key);
  const auto found = entries_.find(name);
  if (found != entries_.end()) {
    if (found->second.as_of > as_of) return;
    Drop(found);
  }
  by_use_.push_front(name);
  const size_t bytes = 2 * name.size() + (kv ? kv->ByteSizeLong() : 0);
  bytes_ += bytes;
  entries_[name] = {std::move(kv), as_of, bytes, by_use_.begin()};
  while (entries_.size() > max_keys_ || bytes_ > max_bytes_) {
    Drop(entries_.find(by_use_.back()));
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
}

void RecordCache::Drop(Entries::iterator entry) {
  bytes_ -= entry->second.bytes;
  by_use_.erase(entry->second.used);
  entries_.erase(entry);
}

}  // namespace matricula::sync
