#pragma once

#include <memory>
#include <string>

#include "common/rpc/server.h"
#include "common/storage/rocksdb_engine.h"
#include "common/store/replica_store.h"
#include "roles/kv_replica/kv_services.h"
#include "test/etcd_support/stock_etcd.h"

namespace matricula::test {

// A replica of ours, serving the etcd API on a free port, in this process. Nothing but its clients
// writes to it.
class OurReplica {
 public:
  struct Options {
    store::ReplicaStore::Options store;
    roles::KvServicesOptions services;
    rpc::ServerOptions server;
  };
  // No compaction by itself.
  static Options DefaultOptions();

  explicit OurReplica(Options options = DefaultOptions());
  ~OurReplica();

  std::string address() const;
  int port() const { return server_->port(); }
  store::ReplicaStore& store() { return *store_; }
  rpc::Server& server() { return *server_; }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<store::ReplicaStore> store_;
  std::unique_ptr<roles::KvServices> services_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace matricula::test
