#include "common/store/etcd_judge.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace matricula::store {
namespace {

using base::Code;

// gRPC's own words for a call that found no connection, and so never left this process.
constexpr std::string_view kNeverSent = "failed to connect to all addresses";

// Said by a server before it proposes anything, whatever the code (which changed over releases).
constexpr std::array<std::string_view, 5> kRefusedBeforeProposal = {
    "etcdserver: no leader",   "etcdserver: too many requests",
    "etcdserver: not capable", "etcdserver: rpc not supported for learner",
    "raft proposal dropped",
};

// A full disk or a message over a limit: refused by the server before anything was proposed.
constexpr std::string_view kNoSpace = "etcdserver: mvcc: database space exceeded";
constexpr std::array<std::string_view, 3> kTooLargeRequest = {
    "grpc: received message larger than max",
    "Received message larger than max",
    "Sent message larger than max",
};
constexpr std::string_view kCorrupt = "etcdserver: corrupt cluster";

bool RefusedBeforeProposal(const std::string& text) {
  return text.starts_with(kNeverSent) ||
         std::find(kRefusedBeforeProposal.begin(), kRefusedBeforeProposal.end(), text) !=
             kRefusedBeforeProposal.end();
}

bool IsOverload(const std::string& text) { return text == "etcdserver: too many requests"; }

// Our codes are gRPC's; the one that we lack means the same to a caller.
Code FromGrpc(grpc::StatusCode code) {
  return code == grpc::StatusCode::UNAUTHENTICATED ? Code::kPermissionDenied
                                                   : static_cast<Code>(code);
}

// Codes with which a server judges the request itself, never its own condition.
bool IsJudgedByServer(const grpc::Status& answer) {
  switch (answer.error_code()) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return true;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return answer.error_message() == kNoSpace ||
             std::any_of(kTooLargeRequest.begin(), kTooLargeRequest.end(),
                         [&](auto text) { return answer.error_message().starts_with(text); });
    case grpc::StatusCode::DATA_LOSS:
      return answer.error_message() == kCorrupt;
    default:
      return false;
  }
}

std::string Describe(const grpc::Status& answer) {
  return std::string(base::CodeName(FromGrpc(answer.error_code()))) + ": " + answer.error_message();
}

}  // namespace

Judgement Judge(CallKind kind, const grpc::Status& answer) {
  if (answer.ok()) {
    return {};
  }
  const std::string& text = answer.error_message();
  if (RefusedBeforeProposal(text)) {
    const bool overload = IsOverload(text);
    const Code code = overload ? Code::kResourceExhausted : Code::kUnavailable;
    return {Verdict::kRetry, {code, text}, !overload};
  }
  if (IsJudgedByServer(answer)) {
    return {Verdict::kFinal, {FromGrpc(answer.error_code()), text}, false};
  }
  // A new leader is no fault of the server that tells of it.
  const bool suspect = text != "etcdserver: leader changed";
  if (kind == CallKind::kWrite) {
    return {Verdict::kUnknown, {Code::kOutcomeUnknown, Describe(answer)}, suspect};
  }
  if (answer.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    return {Verdict::kFinal, {Code::kResourceExhausted, text}, false};
  }
  return {Verdict::kRetry, {Code::kUnavailable, Describe(answer)}, suspect};
}

CallKind KindOf(const etcdserverpb::TxnRequest& request) {
  const auto is_range = [](const etcdserverpb::RequestOp& operation) {
    return operation.has_request_range();
  };
  const bool reads = std::all_of(request.success().begin(), request.success().end(), is_range) &&
                     std::all_of(request.failure().begin(), request.failure().end(), is_range);
  return reads ? CallKind::kRead : CallKind::kWrite;
}

}  // namespace matricula::store
