#pragma once

#include <cstddef>
#include <vector>

#include "etcd_rpc.pb.h"

// The parts of the Watch protocol that look at messages alone.
namespace matricula::roles {

// A response from this size on is cut into fragments, if the client asked for that.
inline constexpr size_t kFragmentBytes = 2 << 20;

// Whether nothing can ever be in the range (which is then refused).
bool IsEmptyWatchRange(const etcdserverpb::WatchCreateRequest& request);

// The response in pieces of less than `max_bytes`, but of one event at least; all but the last say
// that more is to come. One piece if it is small enough.
std::vector<etcdserverpb::WatchResponse> Fragment(const etcdserverpb::WatchResponse& response,
                                                  size_t max_bytes);

}  // namespace matricula::roles
