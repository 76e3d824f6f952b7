#include "roles/kv_replica/kv_service.h"

#include <utility>

namespace matricula::roles {

KvService::KvService(rpc::Server& server, store::ReplicaStore& store) : store_(store) {
  AddUnary(server, "etcdserverpb.KV/Range", this, &KvService::Range);
  AddUnary(server, "etcdserverpb.KV/Put", this, &KvService::Put);
  AddUnary(server, "etcdserverpb.KV/DeleteRange", this, &KvService::DeleteRange);
  AddUnary(server, "etcdserverpb.KV/Txn", this, &KvService::Txn);
  AddUnary(server, "etcdserverpb.KV/Compact", this, &KvService::Compact);
}

void KvService::Range(etcdserverpb::RangeRequest& request,
                      rpc::Responder<etcdserverpb::RangeResponse> responder) {
  store_.Range(request, AnswerTo(std::move(responder)));
}

void KvService::Put(etcdserverpb::PutRequest& request,
                    rpc::Responder<etcdserverpb::PutResponse> responder) {
  store_.Put(std::move(request), AnswerTo(std::move(responder)));
}

void KvService::DeleteRange(etcdserverpb::DeleteRangeRequest& request,
                            rpc::Responder<etcdserverpb::DeleteRangeResponse> responder) {
  store_.DeleteRange(std::move(request), AnswerTo(std::move(responder)));
}

void KvService::Txn(etcdserverpb::TxnRequest& request,
                    rpc::Responder<etcdserverpb::TxnResponse> responder) {
  store_.Txn(std::move(request), AnswerTo(std::move(responder)));
}

void KvService::Compact(etcdserverpb::CompactionRequest& request,
                        rpc::Responder<etcdserverpb::CompactionResponse> responder) {
  store_.Compact(request, AnswerTo(std::move(responder)));
}

}  // namespace matricula::roles
