#include "roles/kv_replica/watch_service.h"

#include <memory>
#include <utility>

#include "roles/kv_replica/watch_stream.h"

namespace matricula::roles {

WatchService::WatchService(rpc::Server& server, store::ReplicaStore& store) : store_(store) {
  server.Bidi<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>(
      "etcdserverpb.Watch/Watch",
      [this](const rpc::CallContext& context, WatchStream::Stream stream) {
        if (const auto refused = CheckLeader(context, store_); !refused.ok()) {
          stream.Finish(refused);
          return;
        }
        WatchStream::Serve(store_, std::move(stream));
      });
}

}  // namespace matricula::roles
