#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "etcd_kv.pb.h"

namespace matricula::sync {

// Single keys of the store and how they were, with the revision up to which that is known. Not
// thread-safe.
//
// The argument. `reached` is the revision up to which every change has been taken note of. An entry
// says how its key was at `as_of`; it is dropped as soon as a change of its key after `as_of` is
// noted. So an entry that is still there holds at every revision from `as_of` to the greater of
// `as_of` and `reached`. A reply of the store that is older than `reached` may miss a change that
// was noted before it came, so it is not kept.
class RecordCache {
 public:
  // At most so many keys and bytes (estimated, overhead included); the least recently used leave
  // first.
  RecordCache(size_t max_keys, size_t max_bytes) : max_keys_(max_keys), max_bytes_(max_bytes) {}

  // What may be inside: nullopt means that there is no such key.
  using Value = std::optional<mvccpb::KeyValue>;

  // How `key` was at `revision` or later, if that is known; valid until the next change of the
  // cache. nullptr: not known.
  const Value* Find(std::string_view key, int64_t revision);
  // True if it would be known once `reached` gets to `revision` without a change of it.
  bool MayKnow(std::string_view key) const { return entries_.contains(key); }

  // What the store answered, with the revision of its header.
  void Keep(std::string_view key, std::optional<mvccpb::KeyValue> kv, int64_t as_of);

  // All changes up to `revision` are now taken note of; these keys changed at `revision`.
  void Reach(int64_t revision, const std::vector<std::string>& changed);
  int64_t reached() const { return reached_; }

  void Clear();
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }
  uint64_t evictions() const { return evictions_; }  // for want of room, so far

 private:
  struct Entry {
    Value kv;
    int64_t as_of = 0;
    size_t bytes = 0;
    std::list<const std::string*>::iterator used;
  };
  // Finds by string_view, without making a string of it.
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  using Entries = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

  // What an entry costs besides its key and value: nodes of the map and the list, and the message.
  static constexpr size_t kEntryOverheadBytes = 256;

  void Drop(Entries::iterator entry);

  const size_t max_keys_;
  const size_t max_bytes_;
  int64_t reached_ = 0;
  size_t bytes_ = 0;
  uint64_t evictions_ = 0;
  Entries entries_;
  std::list<const std::string*> by_use_;  // the map's own keys, most recent first
};

}  // namespace matricula::sync
