#include "test/etcd_support/our_replica.h"

#include <stdexcept>
#include <utility>

namespace matricula::test {
namespace {

template <class T>
T OrThrow(base::Result<T> result) {
  if (!result.ok()) {
    throw std::runtime_error(result.status().ToString());
  }
  return *std::move(result);
}

}  // namespace

OurReplica::Options OurReplica::DefaultOptions() {
  Options options;
  options.services.auto_compaction_retention = "";
  return options;
}

OurReplica::OurReplica(Options options) {
  const std::string data = directory_.path() + "/data";
  store_ = OrThrow(store::ReplicaStore::Open(OrThrow(storage::OpenRocksDbEngine(data)),
                                             std::move(options.store)));
  server_ = std::make_unique<rpc::Server>(options.server);
  if (options.services.scratch.empty()) {
    options.services.scratch = directory_.path() + "/outgoing";
  }
  services_ = OrThrow(roles::KvServices::Register(*server_, *store_, std::move(options.services),
                                                  base::SystemClock()));
  if (const base::Status status = server_->Start(); !status.ok()) {
    throw std::runtime_error(status.ToString());
  }
}

OurReplica::~OurReplica() {
  server_->Stop(0);
  services_.reset();
  store_->Stop();
}

std::string OurReplica::address() const { return "127.0.0.1:" + std::to_string(port()); }

}  // namespace matricula::test
