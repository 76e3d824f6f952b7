#include "common/store/etcd_judge.h"

#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <catch2/catch.hpp>

#include "etcd_rpc.grpc.pb.h"
#include "test/etcd_support/stock_etcd.h"

namespace matricula::store {
namespace {

using base::Code;
using grpc::StatusCode;

struct Row {
  StatusCode code;
  const char* text;
  Verdict read;
  Verdict write;
};

// Refused before anything was proposed; judged for good; or nobody knows.
const Row kRows[] = {
    {StatusCode::OK, "", Verdict::kOk, Verdict::kOk},
    {StatusCode::UNAVAILABLE, "etcdserver: no leader", Verdict::kRetry, Verdict::kRetry},
    {StatusCode::UNKNOWN, "etcdserver: too many requests", Verdict::kRetry, Verdict::kRetry},
    {StatusCode::RESOURCE_EXHAUSTED, "etcdserver: too many requests", Verdict::kRetry,
     Verdict::kRetry},
    {StatusCode::UNAVAILABLE, "etcdserver: not capable", Verdict::kRetry, Verdict::kRetry},
    {StatusCode::FAILED_PRECONDITION, "etcdserver: rpc not supported for learner", Verdict::kRetry,
     Verdict::kRetry},
    {StatusCode::UNKNOWN, "raft proposal dropped", Verdict::kRetry, Verdict::kRetry},

    {StatusCode::INVALID_ARGUMENT, "etcdserver: key is not provided", Verdict::kFinal,
     Verdict::kFinal},
    {StatusCode::NOT_FOUND, "etcdserver: requested lease not found", Verdict::kFinal,
     Verdict::kFinal},
    {StatusCode::OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted",
     Verdict::kFinal, Verdict::kFinal},
    {StatusCode::FAILED_PRECONDITION, "etcdserver: lease already exists", Verdict::kFinal,
     Verdict::kFinal},
    {StatusCode::PERMISSION_DENIED, "etcdserver: permission denied", Verdict::kFinal,
     Verdict::kFinal},
    {StatusCode::UNAUTHENTICATED, "etcdserver: invalid auth token", Verdict::kFinal,
     Verdict::kFinal},
    {StatusCode::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded", Verdict::kFinal,
     Verdict::kFinal},
    {StatusCode::RESOURCE_EXHAUSTED, "grpc: received message larger than max (3 vs. 2)",
     Verdict::kFinal, Verdict::kFinal},
    {StatusCode::DATA_LOSS, "etcdserver: corrupt cluster", Verdict::kFinal, Verdict::kFinal},

    {StatusCode::UNAVAILABLE, "etcdserver: leader changed", Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::UNAVAILABLE, "etcdserver: server stopped", Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::UNAVAILABLE, "etcdserver: request timed out", Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::UNAVAILABLE,
     "etcdserver: request timed out, possibly due to previous leader failure", Verdict::kRetry,
     Verdict::kUnknown},
    {StatusCode::UNAVAILABLE, "etcdserver: request timed out, possibly due to connection lost",
     Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::UNAVAILABLE, "Socket closed", Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::UNKNOWN, "context deadline exceeded", Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded", Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::CANCELLED, "CANCELLED", Verdict::kRetry, Verdict::kUnknown},
    {StatusCode::INTERNAL, "Received RST_STREAM with error code 2", Verdict::kRetry,
     Verdict::kUnknown},
    // The server did the write and could not send the large answer.
    {StatusCode::RESOURCE_EXHAUSTED, "grpc: trying to send message larger than max (9 vs. 8)",
     Verdict::kFinal, Verdict::kUnknown},
    {StatusCode::DATA_LOSS, "something else", Verdict::kRetry, Verdict::kUnknown},
};

TEST_CASE("every answer of a server has one meaning for reads and one for writes") {
  for (const Row& row : kRows) {
    INFO(row.code << " " << row.text);
    const grpc::Status answer(row.code, row.text);
    const Judgement read = Judge(CallKind::kRead, answer);
    const Judgement write = Judge(CallKind::kWrite, answer);
    CHECK(read.verdict == row.read);
    CHECK(write.verdict == row.write);
    CHECK(read.status.ok() == (row.code == StatusCode::OK));
    CHECK((write.status.code() == Code::kOutcomeUnknown) == (row.write == Verdict::kUnknown));
    CHECK(read.status.code() != Code::kOutcomeUnknown);
  }
}

TEST_CASE("what says that nothing was changed has a code that says so too") {
  const grpc::Status overload(StatusCode::UNKNOWN, "etcdserver: too many requests");
  CHECK(Judge(CallKind::kWrite, overload).status.code() == Code::kResourceExhausted);
  CHECK_FALSE(Judge(CallKind::kWrite, overload).suspect_server);
  const grpc::Status leaderless(StatusCode::UNAVAILABLE, "etcdserver: no leader");
  CHECK(Judge(CallKind::kWrite, leaderless).status.code() == Code::kUnavailable);
  CHECK(Judge(CallKind::kWrite, leaderless).suspect_server);
  const grpc::Status unauthenticated(StatusCode::UNAUTHENTICATED, "etcdserver: invalid auth token");
  CHECK(Judge(CallKind::kRead, unauthenticated).status.code() == Code::kPermissionDenied);
}

TEST_CASE("gRPC still calls a call that found no connection what the judge takes it for") {
  const auto stub = etcdserverpb::KV::NewStub(grpc::CreateChannel(
      "127.0.0.1:" + std::to_string(test::FreePort()), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(gpr_time_from_millis(5'000, GPR_TIMESPAN));
  etcdserverpb::PutResponse response;
  const Judgement judgement =
      Judge(CallKind::kWrite, stub->Put(&context, etcdserverpb::PutRequest(), &response));
  CHECK(judgement.verdict == Verdict::kRetry);
  CHECK(judgement.status.code() == Code::kUnavailable);
}

TEST_CASE("a transaction of ranges alone is a read") {
  etcdserverpb::TxnRequest request;
  CHECK(KindOf(request) == CallKind::kRead);
  request.add_success()->mutable_request_range();
  CHECK(KindOf(request) == CallKind::kRead);
  request.add_failure()->mutable_request_put();
  CHECK(KindOf(request) == CallKind::kWrite);
  request.clear_failure();
  request.add_failure()->mutable_request_txn();
  CHECK(KindOf(request) == CallKind::kWrite);
}

}  // namespace
}  // namespace matricula::store
