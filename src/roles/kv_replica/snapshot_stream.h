#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "common/rpc/call.h"
#include "common/store/backup.h"
#include "common/store/replica_store.h"
#include "roles/kv_replica/worker.h"

namespace matricula::roles {

// One backup on its way to a client: a checkpoint of the store in a folder of its own, packed and
// sent page by page as fast as the client takes it, and removed at the end, however that comes.
class SnapshotStream : public std::enable_shared_from_this<SnapshotStream> {
 public:
  using Writer = rpc::StreamWriter<etcdserverpb::SnapshotResponse>;

  // `count` is how many there are; it goes down when this one has ended.
  SnapshotStream(store::ReplicaStore& store, Worker& worker, std::string directory,
                 std::atomic<int>& count, Writer writer);
  ~SnapshotStream();

  // On the worker.
  void Start();

 private:
  void SendPage();
  void SendDigest();

  store::ReplicaStore& store_;
  Worker& worker_;
  const std::string directory_;
  std::atomic<int>& count_;
  Writer writer_;
  std::unique_ptr<store::BackupPacker> packer_;
  uint64_t sent_bytes_ = 0;
};

}  // namespace matricula::roles
