#include "roles/house.h"

#include <pthread.h>

#include <functional>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/store/etcd_store.h"
#include "common/store/slow_log.h"
#include "roles/ops/campus_metrics.h"
#include "roles/ops/domain_metrics.h"
#include "roles/ops/store_metrics.h"
#include "roles/role_table.h"

namespace matricula::roles {

namespace {

constexpr char kNoMajority[] = "waiting for a majority of the replicas";
constexpr char kDiffers[] = "this replica is not like the others: to be started with --rebuild";
// TimeoutStopSec of the units, which knows nothing of --drain-ms.
constexpr int64_t kStopPatienceMs = 30'000;

}  // namespace

House::House(const Settings& settings, const base::Clock& clock,
             const std::map<std::string, std::string>& environment)
    : settings_(settings),
      clock_(clock),
      ops_(settings, clock, environment),
      calls_turned_ns_(std::make_shared<std::atomic<int64_t>>(clock.MonotonicNs())) {}

House::~House() = default;

base::Status House::Start() {
  store::SetSlowRequestMs(settings_.slow_request_ms);
  RETURN_IF_ERROR(ops_.Start());
  RETURN_IF_ERROR(OpenStore());
  std::function<bool()> leads;
  if (replica_) leads = [replica = replica_.get()] { return replica->Leads(); };
  campus_ = std::make_unique<Campus>(settings_, clock_, *store_, std::move(leads));
  FurnishPortals();
  if (portals_) RETURN_IF_ERROR(portals_->Start());
  if (replica_) RETURN_IF_ERROR(replica_->Serve(campus_->MissingBroker()));
  campus_->Start(domain_.get());
  ShowParts();
  WatchLoops();
  ops_.Serving([this] { UpdateHealth(); });
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
  auto remote = store::EtcdStore::Create(options, clock_);
  RETURN_IF_ERROR(remote.status());
  remote_store_ = *std::move(remote);
  store_ = remote_store_.get();
  probe_ = std::make_unique<StoreProbe>(*store_, clock_);
  probe_->Await(StoreProbe::kPatienceMs);
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
  ops_.Measure([this](Sheet& sheet) { CollectCampus(campus_->Stats(), sheet); });
  ops_.Require(replica_ ? "kv" : "store", [this] { return StoreObjection(); });
  ops_.Mention(campus_->MissingBroker());
  if (!replica_) return;
  ops_.Measure([this](Sheet& sheet) {
    const ReplicaGroup* group = replica_->group();
    PeerTraffic traffic;
    if (group != nullptr) traffic = {group->SentBytes(), group->ReceivedBytes()};
    CollectStore(replica_->store(), traffic, sheet);
  });
}

std::string House::StoreObjection() const {
  if (!replica_) return probe_->Objection();
  if (replica_->store().IsCorrupt()) return kDiffers;
  return replica_->store().leader() == 0 ? kNoMajority : "";
}

void House::WatchLoops() {
  // It only turns when there is something to do.
  loop_.loop()->Run([] { pthread_setname_np(pthread_self(), "calls"); });
  ops_.vigil().Watch("calls", [this] {
    loop_.loop()->Run(
        [this_turn = calls_turned_ns_, &clock = clock_] { *this_turn = clock.MonotonicNs(); });
    return calls_turned_ns_->load();
  });
}

void House::SetPortalsServing(bool serving) {
  if (!portals_) return;
  portals_->SetServing("", serving);
  if (settings_.HasRole("admin")) {
    portals_->SetServing("project.PortalAdministrativo", serving);
  }
  if (settings_.HasRole("portal")) portals_->SetServing("project.PortalMatricula", serving);
}

// The portals can do nothing without the store.
void House::UpdateHealth() {
  if (probe_) probe_->Ask();
  if (!portals_) return;
  const bool serve = StoreObjection().empty();
  if (std::exchange(portals_serve_, serve) != serve) SetPortalsServing(serve);
}

void House::Stop(std::chrono::milliseconds grace) {
  ops_.Drain(settings_.drain_ms + kStopPatienceMs);
  if (settings_.drain_ms > 0) {
    SetPortalsServing(false);
    if (replica_) replica_->Drain();
    std::this_thread::sleep_for(std::chrono::milliseconds(settings_.drain_ms));
  }
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
