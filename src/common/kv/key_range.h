#pragma once

#include <string>
#include <string_view>

namespace matricula::kv {

// The keys that a request names by `key` and `range_end`: one key (no range_end), all from `key`
// on (range_end is one zero byte), or [key, range_end). Views into the request.
class KeyRange {
 public:
  KeyRange(std::string_view key, std::string_view range_end)
      : begin_(key),
        end_(range_end),
        single_(range_end.empty()),
        unbounded_(range_end.size() == 1 && range_end.front() == '\0') {}

  bool single() const { return single_; }
  bool unbounded() const { return unbounded_; }
  std::string_view begin() const { return begin_; }
  std::string_view end() const { return end_; }
  // No key can be in it.
  bool empty() const { return !single_ && !unbounded_ && end_ <= begin_; }

  bool Contains(std::string_view key) const {
    if (single_) return key == begin_;
    return key >= begin_ && !IsBehind(key);
  }
  // Behind the last key of a range of several.
  bool IsBehind(std::string_view key) const { return !unbounded_ && key >= end_; }

  // Bounds of the rows of a range of several in the table of keys.
  std::string LowerRow() const;
  std::string UpperRow() const;

 private:
  std::string_view begin_;
  std::string_view end_;
  bool single_;
  bool unbounded_;
};

}  // namespace matricula::kv
