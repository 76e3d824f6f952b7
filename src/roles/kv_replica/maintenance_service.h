#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "roles/kv_replica/service.h"
#include "roles/kv_replica/worker.h"

namespace matricula::roles {

// etcdserverpb.Maintenance.
class MaintenanceService {
 public:
  // The etcd release whose behaviour clients may expect.
  static constexpr char kApiVersion[] = "3.4.23";
  // Backups that are sent at the same time, at most.
  static constexpr int kMaxSnapshots = 4;

  // `scratch` is a folder of this service alone, on the disk of the store's data; it is made when
  // needed, and whatever a crash has left in it is removed. `complaint`: one more trouble that
  // Status tells of, or ""; it may be missing.
  MaintenanceService(rpc::Server& server, store::ReplicaStore& store, std::string scratch,
                     std::function<std::string()> complaint);
  store::ReplicaStore& store() { return store_; }

 private:
  void Alarm(etcdserverpb::AlarmRequest& request,
             rpc::Responder<etcdserverpb::AlarmResponse> responder);
  void Status(etcdserverpb::StatusRequest& request,
              rpc::Responder<etcdserverpb::StatusResponse> responder);
  void Defragment(etcdserverpb::DefragmentRequest& request,
                  rpc::Responder<etcdserverpb::DefragmentResponse> responder);
  void Hash(etcdserverpb::HashRequest& request,
            rpc::Responder<etcdserverpb::HashResponse> responder);
  void HashKv(etcdserverpb::HashKVRequest& request,
              rpc::Responder<etcdserverpb::HashKVResponse> responder);
  void MoveLeader(etcdserverpb::MoveLeaderRequest& request,
                  rpc::Responder<etcdserverpb::MoveLeaderResponse> responder);
  void Snapshot(etcdserverpb::SnapshotRequest& request, const rpc::CallContext& context,
                rpc::StreamWriter<etcdserverpb::SnapshotResponse> writer);

  store::ReplicaStore& store_;
  const std::string scratch_;
  const std::function<std::string()> complaint_;
  std::atomic<int> snapshots_{0};
  Worker worker_;  // last: its jobs use all of the above
};

}  // namespace matricula::roles
