#pragma once

#include <absl/functional/function_ref.h>

#include <map>
#include <string>
#include <utility>

#include "common/kv/watcher.h"

namespace matricula::kv {

// The live watches, by what they watch: a change finds those of its key by one look-up, and those
// of ranges by one comparison for every different range. Watches are visited in an order that does
// not depend on addresses, so that a simulation can be repeated.
class WatchIndex {
 public:
  void Add(const WatcherPtr& watcher);
  void Remove(const WatcherPtr& watcher);
  void ForEachWatching(std::string_view key,
                       absl::FunctionRef<void(const WatcherPtr&)> visit) const;
  void ForEach(absl::FunctionRef<void(const WatcherPtr&)> visit) const;

 private:
  using Watchers = std::map<uint64_t, WatcherPtr>;  // by id

  std::map<std::string, Watchers, std::less<>> by_key_;
  std::map<std::pair<std::string, std::string>, Watchers> by_range_;
};

}  // namespace matricula::kv
