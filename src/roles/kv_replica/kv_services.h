#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/server.h"
#include "common/store/replica_store.h"
#include "roles/kv_replica/cluster_service.h"

namespace matricula::roles {

class AuthService;
class AutoCompaction;
class KvService;
class LeaseService;
class MaintenanceService;
class WatchService;

struct KvServicesOptions {
  MemberProfile profile;
  // A folder of the services alone, on the disk of the store's data, which backups pass through.
  std::string scratch;
  // As in the settings of these names; an empty retention keeps all history.
  std::string auto_compaction_mode = "periodic";
  std::string auto_compaction_retention = "1h";
  // What Maintenance/Status shall tell of besides the store's own troubles; "": nothing.
  std::function<std::string()> complaint;
};

// etcd's v3 API on a server: KV, Watch, Lease, Cluster, Maintenance and Auth, one class each, and
// the compaction that goes by itself.
class KvServices {
 public:
  // Registers everything; `server` is started by the caller, and stopped before this is destroyed.
  // InvalidArgument: an option makes no sense.
  static base::Result<std::unique_ptr<KvServices>> Register(rpc::Server& server,
                                                            store::ReplicaStore& store,
                                                            KvServicesOptions options,
                                                            const base::Clock& clock);
  ~KvServices();

 private:
  KvServices();

  std::unique_ptr<KvService> kv_;
  std::unique_ptr<WatchService> watch_;
  std::unique_ptr<LeaseService> lease_;
  std::unique_ptr<ClusterService> cluster_;
  std::unique_ptr<MaintenanceService> maintenance_;
  std::unique_ptr<AuthService> auth_;
  std::unique_ptr<AutoCompaction> auto_compaction_;
};

}  // namespace matricula::roles
