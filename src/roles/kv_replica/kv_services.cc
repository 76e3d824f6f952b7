#include "roles/kv_replica/kv_services.h"

#include <utility>

#include "roles/kv_replica/auth_service.h"
#include "roles/kv_replica/auto_compaction.h"
#include "roles/kv_replica/kv_service.h"
#include "roles/kv_replica/lease_service.h"
#include "roles/kv_replica/maintenance_service.h"
#include "roles/kv_replica/watch_service.h"

namespace matricula::roles {

base::Result<std::unique_ptr<KvServices>> KvServices::Register(rpc::Server& server,
                                                               store::ReplicaStore& store,
                                                               KvServicesOptions options,
                                                               const base::Clock& clock) {
  Retention retention;
  if (!options.auto_compaction_retention.empty()) {
    const auto parsed =
        ParseRetention(options.auto_compaction_mode, options.auto_compaction_retention);
    RETURN_IF_ERROR(parsed.status());
    retention = *parsed;
  }
  std::unique_ptr<KvServices> services(new KvServices);
  services->kv_ = std::make_unique<KvService>(server, store);
  services->watch_ = std::make_unique<WatchService>(server, store);
  services->lease_ = std::make_unique<LeaseService>(server, store);
  services->cluster_ = std::make_unique<ClusterService>(server, store, std::move(options.profile));
  services->maintenance_ = std::make_unique<MaintenanceService>(
      server, store, std::move(options.scratch), std::move(options.complaint));
  services->auth_ = std::make_unique<AuthService>(server, store);
  services->auto_compaction_ = std::make_unique<AutoCompaction>(store, retention, clock);
  return services;
}

KvServices::KvServices() = default;
KvServices::~KvServices() = default;

}  // namespace matricula::roles
