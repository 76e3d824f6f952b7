#include "roles/kv_replica/maintenance_service.h"

#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "roles/kv_replica/snapshot_stream.h"

namespace matricula::roles {

namespace errors = kv::errors;

namespace {

// As Go's protobuf prints it: without what is zero, and with a blank at the end. Scripts look for
// it.
std::string Describe(const etcdserverpb::AlarmMember& alarm) {
  std::string text;
  if (alarm.memberid() != 0) {
    text += fmt::format("memberID:{} ", alarm.memberid());
  }
  if (alarm.alarm() != etcdserverpb::NONE) {
    text += fmt::format("alarm:{} ", etcdserverpb::AlarmType_Name(alarm.alarm()));
  }
  return text;
}

}  // namespace

MaintenanceService::MaintenanceService(rpc::Server& server, store::ReplicaStore& store,
                                       std::string scratch, std::function<std::string()> complaint)
    : store_(store), scratch_(std::move(scratch)), complaint_(std::move(complaint)) {
  AddUnary(server, "etcdserverpb.Maintenance/Alarm", this, &MaintenanceService::Alarm);
  AddUnary(server, "etcdserverpb.Maintenance/Status", this, &MaintenanceService::Status);
  AddUnary(server, "etcdserverpb.Maintenance/Defragment", this, &MaintenanceService::Defragment);
  AddUnary(server, "etcdserverpb.Maintenance/Hash", this, &MaintenanceService::Hash);
  AddUnary(server, "etcdserverpb.Maintenance/HashKV", this, &MaintenanceService::HashKv);
  AddUnary(server, "etcdserverpb.Maintenance/MoveLeader", this, &MaintenanceService::MoveLeader);
  server.ServerStream("etcdserverpb.Maintenance/Snapshot", this, &MaintenanceService::Snapshot);
  std::error_code ignored;  // what is left shows when a folder cannot be made
  std::filesystem::remove_all(scratch_, ignored);
}

void MaintenanceService::Alarm(etcdserverpb::AlarmRequest& request,
                               rpc::Responder<etcdserverpb::AlarmResponse> responder) {
  store_.Alarm(request, [responder = std::move(responder)](
                            base::Result<etcdserverpb::AlarmResponse> result) mutable {
    if (result.ok()) {
      result->clear_header();  // this answer has none
    }
    responder.Finish(result);
  });
}

void MaintenanceService::Status(etcdserverpb::StatusRequest& /*request*/,
                                rpc::Responder<etcdserverpb::StatusResponse> responder) {
  const auto numbers = store_.GetNumbers();
  etcdserverpb::StatusResponse response;
  store_.FillHeader(*response.mutable_header());
  response.set_version(kApiVersion);
  response.set_dbsize(static_cast<int64_t>(numbers.disk_bytes));
  response.set_dbsizeinuse(static_cast<int64_t>(numbers.disk_bytes));
  response.set_leader(numbers.leader);
  response.set_raftindex(numbers.log_index);
  response.set_raftappliedindex(numbers.applied_index);
  response.set_raftterm(numbers.term);
  response.set_islearner(numbers.learner);
  if (numbers.leader == 0) {
    response.add_errors(errors::NoLeader().message());
  }
  for (const auto& alarm : numbers.alarms) {
    response.add_errors(Describe(alarm));
  }
  const std::string complaint = complaint_ ? complaint_() : "";
  if (!complaint.empty()) response.add_errors(complaint);
  responder.Finish(response);
}

void MaintenanceService::Defragment(etcdserverpb::DefragmentRequest& /*request*/,
                                    rpc::Responder<etcdserverpb::DefragmentResponse> responder) {
  auto shared = std::make_shared<decltype(responder)>(std::move(responder));
  const bool taken = worker_.Post([this, shared] {
    const base::Status status = store_.Defragment();
    status.ok() ? shared->Finish(etcdserverpb::DefragmentResponse()) : shared->Fail(status);
  });
  if (!taken) {
    shared->Fail(errors::TooManyRequests());
  }
}

void MaintenanceService::Hash(etcdserverpb::HashRequest& /*request*/,
                              rpc::Responder<etcdserverpb::HashResponse> responder) {
  auto shared = std::make_shared<decltype(responder)>(std::move(responder));
  const bool taken = worker_.Post([this, shared] {
    const auto hash = store_.HashKv({});
    if (!hash.ok()) {
      shared->Fail(hash.status());
      return;
    }
    etcdserverpb::HashResponse response;
    *response.mutable_header() = hash->header();
    response.set_hash(hash->hash());
    shared->Finish(response);
  });
  if (!taken) {
    shared->Fail(errors::TooManyRequests());
  }
}

void MaintenanceService::HashKv(etcdserverpb::HashKVRequest& request,
                                rpc::Responder<etcdserverpb::HashKVResponse> responder) {
  auto shared = std::make_shared<decltype(responder)>(std::move(responder));
  const bool taken =
      worker_.Post([this, shared, wanted = request] { shared->Finish(store_.HashKv(wanted)); });
  if (!taken) {
    shared->Fail(errors::TooManyRequests());
  }
}

void MaintenanceService::MoveLeader(etcdserverpb::MoveLeaderRequest& request,
                                    rpc::Responder<etcdserverpb::MoveLeaderResponse> responder) {
  store_.MoveLeader(request.targetid(), AnswerTo(std::move(responder)));
}

void MaintenanceService::Snapshot(etcdserverpb::SnapshotRequest& /*request*/,
                                  const rpc::CallContext& context,
                                  rpc::StreamWriter<etcdserverpb::SnapshotResponse> writer) {
  if (const auto refused = CheckLeader(context, store_); !refused.ok()) {
    writer.Fail(refused);
    return;
  }
  if (++snapshots_ > kMaxSnapshots) {
    --snapshots_;
    writer.Fail(errors::TooManyRequests());
    return;
  }
  static std::atomic<uint64_t> next_number{1};
  auto snapshot = std::make_shared<SnapshotStream>(
      store_, worker_, fmt::format("{}/{}", scratch_, next_number.fetch_add(1)), snapshots_,
      writer);
  const bool taken = worker_.Post([this, snapshot] {
    std::error_code ignored;  // shows when the checkpoint cannot be made
    std::filesystem::create_directories(scratch_, ignored);
    snapshot->Start();
  });
  if (!taken) {
    writer.Fail(errors::TooManyRequests());
  }
}

}  // namespace matricula::roles
