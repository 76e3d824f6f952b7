#pragma once

#include <map>
#include <string>
#include <string_view>

namespace matricula::kv {

// The keys that some deletions of a transaction name, for the rule against writing one twice.
// Keeps views into the request.
class IntervalSet {
 public:
  // As in a request: without `range_end` the one key, else [key, range_end). A range_end of one
  // zero byte is taken literally here, as etcd takes it, and then names nothing: a deletion of
  // "everything from a key on" may stand beside puts.
  void Add(std::string_view key, std::string_view range_end);
  void AddAll(const IntervalSet& other);
  bool Contains(std::string_view key) const;

 private:
  // An end is exclusive, or the very key where a deletion names one.
  struct End {
    std::string_view key;
    bool inclusive = false;
    friend auto operator<=>(const End&, const End&) = default;
  };

  void Add(std::string_view begin, End end);

  std::map<std::string_view, End> by_begin_;  // disjoint
};

}  // namespace matricula::kv
