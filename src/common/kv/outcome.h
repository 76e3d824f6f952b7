#pragma once

#include <variant>

#include "command.pb.h"
#include "common/base/status.h"

namespace matricula::kv {

using Response =
    std::variant<std::monostate, etcdserverpb::PutResponse, etcdserverpb::DeleteRangeResponse,
                 etcdserverpb::TxnResponse, etcdserverpb::CompactionResponse,
                 etcdserverpb::LeaseGrantResponse, etcdserverpb::LeaseRevokeResponse,
                 etcdserverpb::AlarmResponse, StateDigest>;

// How one command ended: the answer of its kind, or the error that it changed nothing with.
// Headers have the revision; whoever answers fills in the rest.
struct Outcome {
  base::Status status;
  Response response;
};

}  // namespace matricula::kv
