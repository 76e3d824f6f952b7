#pragma once

#include "roles/kv_replica/service.h"

namespace matricula::roles {

// etcdserverpb.Watch: every stream is a WatchStream.
class WatchService {
 public:
  WatchService(rpc::Server& server, store::ReplicaStore& store);

 private:
  store::ReplicaStore& store_;
};

}  // namespace matricula::roles
