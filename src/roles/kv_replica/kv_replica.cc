#include "roles/kv_replica/kv_replica.h"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "common/kv/format.h"
#include "common/storage/rocksdb_engine.h"

namespace matricula::roles {
namespace {

using base::Code;
using base::Result;
using base::Status;

// etcd's clients ask an idle connection for signs of life every few seconds.
constexpr int64_t kMinClientPingIntervalMs = 5'000;

// As the health service knows them; "": all together.
constexpr const char* kServices[] = {"",
                                     "etcdserverpb.KV",
                                     "etcdserverpb.Watch",
                                     "etcdserverpb.Lease",
                                     "etcdserverpb.Cluster",
                                     "etcdserverpb.Maintenance"};

Status MakeFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return base::OkStatus();
  return {Code::kFailedPrecondition,
          fmt::format("cannot make the data folder {}: {}", path, error.message())};
}

}  // namespace

Result<std::unique_ptr<KvReplica>> KvReplica::Open(const Settings& settings,
                                                   const base::Clock& clock,
                                                   const std::shared_ptr<rpc::Loop>& loop,
                                                   rpc::CallObserver* observer) {
  RETURN_IF_ERROR(MakeFolder(settings.data));
  std::unique_ptr<KvReplica> replica(new KvReplica(settings, loop, observer));
  RETURN_IF_ERROR(replica->OpenStore(settings, clock, loop));
  RETURN_IF_ERROR(replica->RegisterServices(settings, clock));
  if (replica->group_) RETURN_IF_ERROR(replica->group_->Serve(*replica->store_));
  return replica;
}

Status KvReplica::OpenStore(const Settings& settings, const base::Clock& clock,
                            const std::shared_ptr<rpc::Loop>& loop) {
  if (settings.rebuild) RETURN_IF_ERROR(ReplicaGroup::Discard(settings, clock));
  auto engine = storage::OpenRocksDbEngine(settings.data, {});
  RETURN_IF_ERROR(engine.status());
  // Before anything in it is believed. An empty folder has no format yet.
  Status format = kv::CheckFormat(**engine);
  if (!format.ok() && format.code() != Code::kNotFound) return format;
  store::ReplicaStore::Options options;
  options.clock = &clock;
  options.loop = loop;
  options.quota_bytes = static_cast<uint64_t>(settings.quota_bytes);
  if (!settings.raft_listen.empty()) {
    auto group = ReplicaGroup::Open(settings, clock, **engine, loop);
    RETURN_IF_ERROR(group.status());
    group_ = *std::move(group);
    options.replication = group_->ForStore([this](bool) { UpdateHealth(); });
  }
  auto store = store::ReplicaStore::Open(*std::move(engine), std::move(options));
  RETURN_IF_ERROR(store.status());
  store_ = *std::move(store);
  return base::OkStatus();
}

KvReplica::KvReplica(const Settings& settings, const std::shared_ptr<rpc::Loop>& loop,
                     rpc::CallObserver* observer)
    : address_(settings.kv_listen) {
  rpc::ServerOptions options;
  options.listen = settings.kv_listen;
  options.reflection = settings.reflection;
  options.loop = loop;
  options.min_client_ping_interval_ms = kMinClientPingIntervalMs;
  options.observer = observer;
  server_ = std::make_unique<rpc::Server>(options);
}

Status KvReplica::RegisterServices(const Settings& settings, const base::Clock& clock) {
  KvServicesOptions options;
  options.profile.client_urls = {"http://" + settings.kv_listen};
  options.scratch = settings.data + "/outgoing-backups";
  options.auto_compaction_mode = settings.auto_compaction_mode;
  options.auto_compaction_retention = settings.auto_compaction_retention;
  options.complaint = [this] { return complaint_(); };
  auto services = KvServices::Register(*server_, *store_, std::move(options), clock);
  RETURN_IF_ERROR(services.status());
  services_ = *std::move(services);
  return base::OkStatus();
}

KvReplica::~KvReplica() {
  if (store_) store_->Stop();
  if (group_) group_->Stop();
}

store::ReplicaStore& KvReplica::store() { return *store_; }

Status KvReplica::Serve(std::function<std::string()> complaint) {
  complaint_ = std::move(complaint);
  RETURN_IF_ERROR(server_->Start());
  {
    const base::MutexLock lock(health_mutex_);
    open_ = true;
  }
  UpdateHealth();
  return base::OkStatus();
}

// Who asks is told not to come while no leader is known, or to a replica that is not like the
// others. A leader may be known before there is a store to ask; Serve makes up for it.
void KvReplica::UpdateHealth() {
  const base::MutexLock lock(health_mutex_);
  if (!open_) return;
  const bool serving = store_->leader() != 0 && !store_->IsCorrupt() && !draining_;
  for (const char* service : kServices) server_->SetServing(service, serving);
}

void KvReplica::Drain() {
  {
    const base::MutexLock lock(health_mutex_);
    draining_ = true;
  }
  UpdateHealth();
}

void KvReplica::Stop(std::chrono::milliseconds grace) {
  server_->Stop(grace.count());
  store_->Stop();
  if (group_) group_->Stop();
}

}  // namespace matricula::roles
