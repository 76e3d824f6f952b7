#include "common/kv/watcher.h"

namespace matricula::kv {

Watcher::Watcher(uint64_t number, const etcdserverpb::WatchCreateRequest& request, WatchSink* where)
    : id(number),
      key(request.key().empty() ? std::string(1, '\0') : request.key()),
      range_end(request.range_end()),
      with_previous(request.prev_kv()),
      notify_progress(request.progress_notify()),
      sink(where) {
  for (const int filter : request.filters()) {
    no_puts |= filter == etcdserverpb::WatchCreateRequest::NOPUT;
    no_deletions |= filter == etcdserverpb::WatchCreateRequest::NODELETE;
  }
}

}  // namespace matricula::kv
