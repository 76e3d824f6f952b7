#pragma once

#include "roles/kv_replica/service.h"

namespace matricula::roles {

// etcdserverpb.KV.
class KvService {
 public:
  KvService(rpc::Server& server, store::ReplicaStore& store);
  store::ReplicaStore& store() { return store_; }

 private:
  void Range(etcdserverpb::RangeRequest& request,
             rpc::Responder<etcdserverpb::RangeResponse> responder);
  void Put(etcdserverpb::PutRequest& request, rpc::Responder<etcdserverpb::PutResponse> responder);
  void DeleteRange(etcdserverpb::DeleteRangeRequest& request,
                   rpc::Responder<etcdserverpb::DeleteRangeResponse> responder);
  void Txn(etcdserverpb::TxnRequest& request, rpc::Responder<etcdserverpb::TxnResponse> responder);
  void Compact(etcdserverpb::CompactionRequest& request,
               rpc::Responder<etcdserverpb::CompactionResponse> responder);

  store::ReplicaStore& store_;
};

}  // namespace matricula::roles
