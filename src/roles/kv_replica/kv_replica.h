#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/rpc/loop.h"
#include "common/rpc/server.h"
#include "common/store/replica_store.h"
#include "roles/kv_replica/kv_services.h"
#include "roles/kv_replica/replica_group.h"
#include "roles/settings.h"

namespace matricula::roles {

// The role kv-replica: one replica of the store on this machine's disk, and etcd's v3 API on it.
class KvReplica {
 public:
  // Opens the data (made if there is none). FailedPrecondition: another process has it open.
  // InvalidArgument: a setting makes no sense. `loop` serves it all, until after Stop; `observer`
  // (may be nullptr) hears of every call until then.
  static base::Result<std::unique_ptr<KvReplica>> Open(const Settings& settings,
                                                       const base::Clock& clock,
                                                       const std::shared_ptr<rpc::Loop>& loop,
                                                       rpc::CallObserver* observer);
  ~KvReplica();

  // For the roles in this process; lives as long as this.
  store::ReplicaStore& store();
  // As far as it knows: another one may have been elected meanwhile.
  bool Leads() const { return store_->leader() == store_->member_id(); }
  // nullptr: it is the only replica.
  const ReplicaGroup* group() const { return group_.get(); }

  // Serves the etcd API. Its status tells of `complaint` besides the store's own troubles; "":
  // none. Unavailable: the address is taken.
  base::Status Serve(std::function<std::string()> complaint);
  const std::string& address() const { return address_; }
  // Stops serving within `grace`, then stops the store, which finishes what it has taken.
  void Stop(std::chrono::milliseconds grace);
  // Clients are to look elsewhere from now on; who comes all the same is served.
  void Drain() EXCLUDES(health_mutex_);

 private:
  KvReplica(const Settings& settings, const std::shared_ptr<rpc::Loop>& loop,
            rpc::CallObserver* observer);
  base::Status OpenStore(const Settings& settings, const base::Clock& clock,
                         const std::shared_ptr<rpc::Loop>& loop);
  base::Status RegisterServices(const Settings& settings, const base::Clock& clock);

  void UpdateHealth() EXCLUDES(health_mutex_);

  const std::string address_;
  std::function<std::string()> complaint_;  // set before anybody is served
  base::Mutex health_mutex_;
  bool open_ GUARDED_BY(health_mutex_) = false;  // there is a store to ask
  bool draining_ GUARDED_BY(health_mutex_) = false;
  std::unique_ptr<ReplicaGroup> group_;  // absent: the only replica
  std::unique_ptr<store::ReplicaStore> store_;
  std::unique_ptr<KvServices> services_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace matricula::roles
