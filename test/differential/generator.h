#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "etcd_rpc.pb.h"

namespace matricula::differential {

// Random requests over few keys, so that they meet, and near every limit. Never what a stock etcd
// of release 3.4 does not survive: an unknown sort target, an unknown alarm action, and, within one
// transaction, a deletion together with a put that keeps the value or the lease.
class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  // What has happened so far; chooses the revisions and leases that requests name.
  int64_t revision = 1;
  int64_t compacted = -1;
  std::vector<int64_t> leases;

  etcdserverpb::RangeRequest Range();
  etcdserverpb::PutRequest Put();
  etcdserverpb::DeleteRangeRequest DeleteRange();
  etcdserverpb::TxnRequest Txn();
  etcdserverpb::CompactionRequest Compaction();
  etcdserverpb::LeaseGrantRequest LeaseGrant();
  etcdserverpb::WatchCreateRequest WatchCreate();
  // Creations and cancellations, with ids that collide.
  std::vector<etcdserverpb::WatchRequest> WatchScript();
  // A lease that exists, existed, or never did.
  int64_t Lease();
  // Any revision: past, present, compacted, future, senseless.
  int64_t Revision();

  bool OneIn(int n) { return Number(n) == 0; }
  // 0 … n-1.
  int Number(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

 private:
  std::string Key();
  std::string RangeEnd(const std::string& key);
  std::string Value();
  etcdserverpb::Compare Comparison();
  etcdserverpb::RequestOp Operation(int depth);
  etcdserverpb::TxnRequest Txn(int depth);
  void FillComparedValue(etcdserverpb::Compare& compare, int kind);

  std::mt19937_64 random_;
};

}  // namespace matricula::differential
