#include "common/kv/watch_index.h"

namespace matricula::kv {
namespace {

template <class Map, class Key>
void RemoveFrom(Map& map, const Key& key, const WatcherPtr& watcher) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  found->second.erase(watcher->id);
  if (found->second.empty()) map.erase(found);
}

}  // namespace

void WatchIndex::Add(const WatcherPtr& watcher) {
  if (watcher->range().single()) {
    by_key_[watcher->key][watcher->id] = watcher;
  } else {
    by_range_[{watcher->key, watcher->range_end}][watcher->id] = watcher;
  }
}

void WatchIndex::Remove(const WatcherPtr& watcher) {
  if (watcher->range().single()) {
    RemoveFrom(by_key_, watcher->key, watcher);
  } else {
    RemoveFrom(by_range_, std::pair(watcher->key, watcher->range_end), watcher);
  }
}

void WatchIndex::ForEachWatching(std::string_view key,
                                 absl::FunctionRef<void(const WatcherPtr&)> visit) const {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    for (const auto& [id, watcher] : found->second) visit(watcher);
  }
  for (const auto& [bounds, watchers] : by_range_) {
    if (bounds.first > key) return;  // so do all that follow
    if (!KeyRange(bounds.first, bounds.second).Contains(key)) continue;
    for (const auto& [id, watcher] : watchers) visit(watcher);
  }
}

void WatchIndex::ForEach(absl::FunctionRef<void(const WatcherPtr&)> visit) const {
  for (const auto& [key, watchers] : by_key_) {
    for (const auto& [id, watcher] : watchers) visit(watcher);
  }
  for (const auto& [bounds, watchers] : by_range_) {
    for (const auto& [id, watcher] : watchers) visit(watcher);
  }
}

}  // namespace matricula::kv
