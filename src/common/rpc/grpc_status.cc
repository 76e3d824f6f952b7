#include "common/rpc/grpc_status.h"

#include <string>

namespace matricula::rpc {

grpc::Status ToGrpc(const base::Status& status) {
  if (status.ok()) return {};
  if (status.code() == base::Code::kOutcomeUnknown) {
    return {grpc::StatusCode::UNKNOWN, std::string(kOutcomeUnknownPrefix) + status.message()};
  }
  return {static_cast<grpc::StatusCode>(status.code()), status.message()};
}

base::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return {};
  const std::string text = status.error_message();
  std::string_view message = text;
  if (status.error_code() == grpc::StatusCode::UNKNOWN &&
      message.substr(0, kOutcomeUnknownPrefix.size()) == kOutcomeUnknownPrefix) {
    message.remove_prefix(kOutcomeUnknownPrefix.size());
    return {base::Code::kOutcomeUnknown, std::string(message)};
  }
  const int code = status.error_code();
  // A server may send any number; what gRPC does not define is Unknown.
  const bool defined = code >= 0 && code <= static_cast<int>(base::Code::kDataLoss);
  return {defined ? static_cast<base::Code>(code) : base::Code::kUnknown, std::string(message)};
}

}  // namespace matricula::rpc
