#include "roles/house.h"

#include <functional>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/store/etcd_store.h"
#include "roles/ops/domain_metrics.h"
#include "roles/ops/store_metrics.h"
#include "roles/role_table.h"

namespace matricula::roles {

House::House(const Settings& settings, const base::Clock& clock)
    : settings_(settings), clock_(clock), ops_(settings) {}

House::~House() = default;

base::Status House::Start() {
  RETURN_IF_ERROR(ops_.Start());
  RETURN_IF_ERROR(OpenStore());
  std::function<bool()> leads;
  if (replica_) leads = [replica = replica_.get()] { return replica->Leads(); };
  campus_ = std::make_unique<Campus>(settings_, clock_, *store_, std::move(leads));
  FurnishPortals();
  if (portals_) RETURN_IF_ERROR(portals_->Start());
  if (replica_) RETURN_IF_ERROR(replica_->Serve());
  campus_->Start(domain_.get());
  ShowParts();
  ops_.Serving();
  return base::OkStatus();
}

base::Status House::OpenStore() {
  if (settings_.HasRole("kv-replica")) {
    auto replica = KvReplica::Open(settings_, clock_, loop_.loop(), &ops_.observer());
    RETURN_IF_ERROR(replica.status());
    replica_ = *std::move(replica);
    store_ = &replica_->store();
    return base::OkStatus();
  }
  store::EtcdStoreOptions options;
  options.endpoints = settings_.kv;
  options.loop = loop_.loop();
  auto remote = store::EtcdStore::Create(std::move(options), clock_);
  RETURN_IF_ERROR(remote.status());
  remote_store_ = *std::move(remote);
  store_ = remote_store_.get();
  return base::OkStatus();
}

void House::FurnishPortals() {
  const Surroundings nothing{.settings = settings_, .clock = clock_};
  for (const PortalRole& role : PortalRoles()) {
    if (!settings_.HasRole(std::string(role.name))) continue;
    if (!portals_) {
      domain::Domain::Options rules;
      rules.min_length = settings_.min_length;
      domain_ = std::make_unique<domain::Domain>(campus_->CacheStore(), clock_, rules);
      rpc::ServerOptions options;
      options.listen = settings_.listen;
      options.reflection = settings_.reflection;
      options.loop = loop_.loop();
      options.observer = &ops_.observer();
      portals_ = std::make_unique<rpc::Server>(options);
    }
    Surroundings surroundings = nothing;
    surroundings.domain = domain_.get();
    surroundings.portals = portals_.get();
    roles_.push_back(role.make(surroundings));
  }
  if (!domain_) return;
  domain_->cadastro().ResumeRemovals([](base::Result<int> finished) {
    if (!finished.ok()) {
      base::log::Warning("removals.not_resumed", {{"reason", finished.status().message()},
                                                  {"consequence", "tried again until it is done"}});
    } else if (*finished > 0) {
      base::log::Info("removals.resumed", {{"count", *finished}});
    }
  });
}

void House::ShowParts() {
  if (domain_) ops_.Measure([this](Sheet& sheet) { CollectDomain(*domain_, sheet); });
  if (!replica_) return;
  ops_.Measure([this](Sheet& sheet) {
    const ReplicaGroup* group = replica_->group();
    PeerTraffic traffic;
    if (group != nullptr) traffic = {group->SentBytes(), group->ReceivedBytes()};
    CollectStore(replica_->store(), traffic, sheet);
  });
  ops_.Require("kv", [this]() -> std::string {
    return replica_->store().leader() == 0 ? "no leader is known" : "";
  });
}

void House::Stop(std::chrono::milliseconds grace) {
  ops_.Drain();
  if (portals_) portals_->Stop(grace.count());
  ops_.Forget();
  campus_->StopIngest();
  domain_.reset();  // what is under way ends soon; the store still answers
  campus_.reset();
  if (replica_) replica_->Stop(grace);
}

std::string House::portals_address() const { return portals_ ? settings_.listen : ""; }

std::string House::kv_address() const { return replica_ ? replica_->address() : ""; }

}  // namespace matricula::roles
