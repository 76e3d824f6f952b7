#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/domain/domain.h"
#include "common/rpc/loop.h"
#include "common/rpc/server.h"
#include "common/store/store.h"
#include "roles/campus.h"
#include "roles/kv_replica/kv_replica.h"
#include "roles/ops/ops.h"
#include "roles/ops/store_probe.h"
#include "roles/role.h"
#include "roles/settings.h"

namespace matricula::roles {

// Everything that one process is made of, in order of life: the store (its own replica, or a
// client of one elsewhere), its place on the campus bus, the domain over it, the portals' server,
// and the roles that serve.
class House {
 public:
  // `environment`: what a service manager says there.
  House(const Settings& settings, const base::Clock& clock,
        const std::map<std::string, std::string>& environment);
  ~House();

  // Builds and serves. Unavailable: an address is taken; FailedPrecondition: the data is in use by
  // another process; other errors say what is wrong with the data.
  base::Status Start();
  // Answers what is under way within `grace`, refuses the rest, and ends all threads.
  void Stop(std::chrono::milliseconds grace);

  // For the line that says the process is ready; "" where there is none.
  std::string portals_address() const;
  std::string kv_address() const;

 private:
  base::Status OpenStore();
  void FurnishPortals();
  void ShowParts();
  void WatchLoops();
  void UpdateHealth();
  void SetPortalsServing(bool serving);
  std::string StoreObjection() const;

  const Settings& settings_;
  const base::Clock& clock_;
  Ops ops_;
  rpc::LoopThread loop_;  // of all that speaks gRPC in this process
  std::unique_ptr<KvReplica> replica_;
  std::unique_ptr<store::Store> remote_store_;
  std::unique_ptr<StoreProbe> probe_;  // of the remote store
  store::Store* store_ = nullptr;
  std::unique_ptr<Campus> campus_;
  std::unique_ptr<domain::Domain> domain_;
  std::unique_ptr<rpc::Server> portals_;
  std::vector<std::unique_ptr<Role>> roles_;
  bool portals_serve_ = true;  // as the health service says; of the vigil's thread
  std::shared_ptr<std::atomic<int64_t>> calls_turned_ns_;  // when the loop turned last
};

}  // namespace matricula::roles
