#pragma once

#include <memory>
#include <string>
#include <utility>

#include "common/store/etcd_store.h"
#include "replica_bed.h"
#include "test/etcd_support/our_replica.h"
#include "test/etcd_support/stock_etcd.h"

namespace matricula::domain {

inline std::unique_ptr<store::Store> Connect(std::string address) {
  store::EtcdStoreOptions options;
  options.endpoints = {std::move(address)};
  return std::move(store::EtcdStore::Create(options, base::SystemClock()).value());
}

// The store behind the network. All tests share one server, which is emptied for each.
class RemoteBed : public RealTimeBed {
 public:
  explicit RemoteBed(std::string address) : RealTimeBed(Connect(std::move(address)), 0) {
    etcdserverpb::TxnRequest everything;
    auto* removed = everything.add_success()->mutable_request_delete_range();
    removed->set_key(std::string(1, '\0'));
    removed->set_range_end(std::string(1, '\0'));
    REQUIRE(Raw(std::move(everything)).ok());
  }
};

// A replica of ours, spoken to over the wire.
class WireBed final : public RemoteBed {
 public:
  WireBed() : RemoteBed(Shared().address()) {}

 private:
  static test::OurReplica& Shared() {
    static test::OurReplica replica;
    return replica;
  }
};

// A stock etcd.
class EtcdBed final : public RemoteBed {
 public:
  EtcdBed() : RemoteBed(Shared().addresses().front()) {}

 private:
  static test::EtcdCluster& Shared() {
    static test::EtcdCluster etcd(1);
    return etcd;
  }
};

}  // namespace matricula::domain
