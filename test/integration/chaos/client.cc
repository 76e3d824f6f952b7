#include "test/integration/chaos/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "common/rpc/channel.h"

namespace matricula::chaos {
namespace {

constexpr int kMostWithOneMember = 40;
constexpr std::chrono::milliseconds kPauseAfterError{50};

Value ValueIn(const etcdserverpb::RangeResponse& response, const std::string& key, Pair& pair) {
  pair.key = key;
  for (const mvccpb::KeyValue& found : response.kvs()) {
    if (found.key() != key) continue;
    pair.value = found.value();
    pair.mod_revision = found.mod_revision();
  }
  return pair.value;
}

std::vector<Pair> PairsOf(const etcdserverpb::RangeResponse& response,
                          const std::vector<Pair>& asked) {
  std::vector<Pair> pairs;
  for (const Pair& pair : asked) ValueIn(response, pair.key, pairs.emplace_back());
  return pairs;
}

void AddCondition(const Pair& pair, etcdserverpb::TxnRequest& request) {
  etcdserverpb::Compare& compare = *request.add_compare();
  compare.set_key(pair.key);
  if (pair.value) {
    compare.set_target(etcdserverpb::Compare::VALUE);
    compare.set_value(*pair.value);
  } else {
    compare.set_target(etcdserverpb::Compare::CREATE);
    compare.set_create_revision(0);
  }
}

void AddWrite(const Pair& pair, etcdserverpb::TxnRequest& request) {
  if (pair.value) {
    etcdserverpb::PutRequest& put = *request.add_success()->mutable_request_put();
    put.set_key(pair.key);
    put.set_value(*pair.value);
  } else {
    request.add_success()->mutable_request_delete_range()->set_key(pair.key);
  }
}

}  // namespace

Client::Client(ClientPlan plan, const std::vector<std::string>& members, const base::Clock& clock,
               std::function<void(const Operation&)> on_done)
    : plan_(plan),
      clock_(clock),
      on_done_(std::move(on_done)),
      members_(Connect(members, plan.number)),
      random_(plan.seed) {}

void Client::Run(const std::atomic<bool>& stop) {
  while (!stop) {
    Operation operation = Draw(100) < 55 ? DrawRead() : DrawWrite();
    Perform(operation);
    const auto pause_us = Draw(static_cast<int>(2'000 * plan_.pause_ms) + 1);
    std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    if (!operation.answered) std::this_thread::sleep_for(kPauseAfterError);
  }
}

std::string Client::DrawKey() { return fmt::format("{}r{}", kPrefix, Draw(kRegisters)); }

Operation Client::Begin(bool is_write) {
  if (plan_.manner != Manner::kRoaming) {
    member_ = plan_.member;
  } else if (--left_with_member_ <= 0) {
    member_ = Draw(static_cast<int>(members_.size()));
    left_with_member_ = 1 + Draw(kMostWithOneMember);
  }
  Operation operation;
  operation.client = plan_.number;
  operation.member = member_;
  if (is_write) operation.id = fmt::format("c{}-{}", plan_.number, next_id_++);
  return operation;
}

// One register, or all of them at once.
Operation Client::DrawRead() {
  Operation operation = Begin(false);
  operation.serializable = Draw(3) == 0;
  if (Draw(5) > 0) {
    operation.reads = {{DrawKey(), std::nullopt}};
  } else {
    for (int i = 0; i < kRegisters; ++i) {
      operation.reads.push_back({fmt::format("{}r{}", kPrefix, i), std::nullopt});
    }
  }
  return operation;
}

Operation Client::DrawWrite() {
  Operation operation = Begin(true);
  const std::string key = DrawKey();
  const int kind = Draw(10);
  if (kind < 4) {
    operation.writes = {{key, operation.id}};
  } else if (kind < 5) {
    operation.writes = {
        {fmt::format("{}diary/{:03}/{:08}", kPrefix, plan_.number, next_page_++), operation.id}};
  } else {
    const std::string other = DrawKey();
    operation.conditions = {{key, seen_[key]}};
    operation.writes = {{key, operation.id}};
    if (kind == 8 && other != key) operation.writes.push_back({other, operation.id});
    if (kind == 9) {
      operation.writes = {{key, std::nullopt},
                          {fmt::format("{}grave/{}", kPrefix, plan_.number), operation.id}};
    }
    operation.reads = {{key, std::nullopt}};
  }
  return operation;
}

Operation Client::Put(int member, const std::string& key) {
  Operation operation = Begin(true);
  operation.member = member;
  operation.writes = {{key, operation.id}};
  Perform(operation);
  return operation;
}

int64_t Client::TimeoutMs() const {
  switch (plan_.manner) {
    case Manner::kPatient:
      return 20'000;
    case Manner::kHasty:
      return 300;
    default:
      return 3'000;
  }
}

void Client::Perform(Operation& operation) {
  operation.start_ns = clock_.MonotonicNs();
  if (operation.id.empty()) {
    Read(operation);
  } else if (operation.conditions.empty()) {
    Write(operation);
  } else {
    Transact(operation);
  }
  operation.end_ns = clock_.MonotonicNs();
  if (!operation.answered) left_with_member_ = 0;
  Remember(operation);
  on_done_(operation);
}

void Client::Read(Operation& operation) {
  etcdserverpb::RangeRequest request;
  request.set_key(operation.reads.front().key);
  if (operation.reads.size() > 1) request.set_range_end(fmt::format("{}s", kPrefix));
  request.set_serializable(operation.serializable);
  grpc::ClientContext context;
  rpc::SetDeadline(context, TimeoutMs());
  etcdserverpb::RangeResponse response;
  const grpc::Status status = members_[operation.member].kv->Range(&context, request, &response);
  operation.error = status.error_message();
  if (!status.ok()) return;
  operation.answered = true;
  operation.revision = response.header().revision();
  operation.reads = PairsOf(response, operation.reads);
}

void Client::Write(Operation& operation) {
  etcdserverpb::PutRequest request;
  request.set_key(operation.writes.front().key);
  request.set_value(*operation.writes.front().value);
  grpc::ClientContext context;
  rpc::SetDeadline(context, TimeoutMs());
  etcdserverpb::PutResponse response;
  const grpc::Status status = members_[operation.member].kv->Put(&context, request, &response);
  operation.error = status.error_message();
  operation.answered = operation.succeeded = status.ok();
  operation.revision = response.header().revision();
}

void Client::Transact(Operation& operation) {
  etcdserverpb::TxnRequest request;
  for (const Pair& pair : operation.conditions) AddCondition(pair, request);
  for (const Pair& pair : operation.writes) AddWrite(pair, request);
  request.add_failure()->mutable_request_range()->set_key(operation.reads.front().key);
  grpc::ClientContext context;
  rpc::SetDeadline(context, TimeoutMs());
  etcdserverpb::TxnResponse response;
  const grpc::Status status = members_[operation.member].kv->Txn(&context, request, &response);
  operation.error = status.error_message();
  operation.answered = status.ok();
  operation.succeeded = response.succeeded();
  operation.revision = response.header().revision();
  if (!status.ok() || response.succeeded()) {
    operation.reads.clear();
  } else {
    operation.reads = PairsOf(response.responses(0).response_range(), operation.reads);
  }
}

// What conditions are made of.
void Client::Remember(const Operation& operation) {
  if (!operation.answered) return;
  for (const Pair& pair : operation.reads) seen_[pair.key] = pair.value;
  if (!operation.succeeded) return;
  for (const Pair& pair : operation.writes) seen_[pair.key] = pair.value;
}

}  // namespace matricula::chaos
