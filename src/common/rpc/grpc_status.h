#pragma once

#include <string_view>

#include <grpcpp/support/status.h>

#include "common/base/status.h"

namespace matricula::rpc {

// Codes are the same numbers on both sides. kOutcomeUnknown has none in gRPC: it travels as UNKNOWN
// with this in front of its message, never as UNAVAILABLE, because clients retry that on their own.
inline constexpr std::string_view kOutcomeUnknownPrefix = "outcome unknown: ";

grpc::Status ToGrpc(const base::Status& status);
base::Status FromGrpc(const grpc::Status& status);

}  // namespace matricula::rpc
