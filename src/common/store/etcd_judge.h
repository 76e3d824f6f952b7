#pragma once

#include <grpcpp/support/status.h>

#include "common/base/status.h"
#include "etcd_rpc.pb.h"

// What an answer of an etcd server means for the request that got it. The codes and texts are
// facts of the etcd API; where they leave a doubt, a write's outcome is unknown.
namespace matricula::store {

enum class CallKind {
  kRead,   // repeating it does no harm
  kWrite,  // repeating it could take effect twice
};

enum class Verdict {
  kOk,
  kFinal,    // refused for good: nothing was changed, and asking again changes nothing
  kRetry,    // nothing was changed; another server, or the same one later, may do it
  kUnknown,  // a write that may or may not have taken effect
};

struct Judgement {
  Verdict verdict = Verdict::kOk;
  // What to tell the caller if this answer is the last one. Ok exactly for kOk.
  base::Status status;
  // The server itself seems to be in trouble: prefer another one for a while.
  bool suspect_server = false;
};

Judgement Judge(CallKind kind, const grpc::Status& answer);

// A transaction writes unless all operations of both branches are ranges.
CallKind KindOf(const etcdserverpb::TxnRequest& request);

}  // namespace matricula::store
