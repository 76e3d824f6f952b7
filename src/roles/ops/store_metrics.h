#pragma once

#include <cstdint>
#include <map>

#include "common/store/replica_store.h"
#include "roles/ops/sheet.h"

namespace matricula::roles {

// Bytes since the start, by member.
struct PeerTraffic {
  std::map<uint64_t, uint64_t> sent;
  std::map<uint64_t, uint64_t> received;
};

// A replica: its log, its data and RocksDB under it; once under our names, and once under those
// that dashboards and alerts for etcd know. Waits for the replica's thread, a moment at most.
void CollectStore(store::ReplicaStore& store, const PeerTraffic& traffic, Sheet& sheet);

}  // namespace matricula::roles
