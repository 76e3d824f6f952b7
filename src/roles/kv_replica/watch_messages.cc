#include "roles/kv_replica/watch_messages.h"

#include <string_view>
#include <utility>

namespace matricula::roles {

using etcdserverpb::WatchResponse;

namespace {

// A tag and a length before each event: more than they ever take.
constexpr size_t kEventOverheadBytes = 6;

}  // namespace

bool IsEmptyWatchRange(const etcdserverpb::WatchCreateRequest& request) {
  const std::string_view all_from_key("\0", 1);
  const std::string& end = request.range_end();
  if (end.empty() || end == all_from_key) {
    return false;
  }
  // No key stands for the first one.
  return (request.key().empty() ? all_from_key : std::string_view(request.key())) >= end;
}

std::vector<WatchResponse> Fragment(const WatchResponse& response, size_t max_bytes) {
  if (response.events_size() < 2 || response.ByteSizeLong() < max_bytes) {
    return {response};
  }
  WatchResponse empty = response;
  empty.clear_events();
  empty.set_fragment(true);
  const size_t empty_bytes = empty.ByteSizeLong();
  std::vector<WatchResponse> pieces;
  size_t bytes = 0;
  for (const mvccpb::Event& event : response.events()) {
    const size_t event_bytes = event.ByteSizeLong() + kEventOverheadBytes;
    if (pieces.empty() || bytes + event_bytes >= max_bytes) {
      pieces.push_back(empty);
      bytes = empty_bytes;
    }
    *pieces.back().add_events() = event;
    bytes += event_bytes;
  }
  pieces.back().set_fragment(false);
  return pieces;
}

}  // namespace matricula::roles
