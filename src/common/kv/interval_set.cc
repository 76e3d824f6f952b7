#include "common/kv/interval_set.h"

#include <algorithm>

namespace matricula::kv {

void IntervalSet::Add(std::string_view key, std::string_view range_end) {
  if (range_end.empty()) return Add(key, End{key, true});
  if (key < range_end) Add(key, End{range_end, false});
}

void IntervalSet::AddAll(const IntervalSet& other) {
  for (const auto& [begin, end] : other.by_begin_) Add(begin, end);
}

// Swallows the intervals that the new one meets.
void IntervalSet::Add(std::string_view begin, End end) {
  auto next = by_begin_.upper_bound(begin);
  if (next != by_begin_.begin()) {
    const auto previous = std::prev(next);
    if (previous->second.key >= begin) {
      begin = previous->first;
      end = std::max(end, previous->second);
      by_begin_.erase(previous);
    }
  }
  while (next != by_begin_.end() && next->first <= end.key) {
    end = std::max(end, next->second);
    next = by_begin_.erase(next);
  }
  by_begin_.emplace(begin, end);
}

bool IntervalSet::Contains(std::string_view key) const {
  auto next = by_begin_.upper_bound(key);
  if (next == by_begin_.begin()) return false;
  const End& end = std::prev(next)->second;
  return key < end.key || (end.inclusive && key == end.key);
}

}  // namespace matricula::kv
