#include "test/sim/clients.h"

#include <fmt/format.h>

#include <utility>

namespace matricula::sim {
namespace {

using base::Code;
using base::Result;
using etcdserverpb::Compare;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

void AddCompare(TxnRequest& txn, const std::string& key, int64_t mod_revision) {
  Compare& compare = *txn.add_compare();
  compare.set_key(key);
  compare.set_target(Compare::MOD);
  compare.set_result(Compare::EQUAL);
  compare.set_mod_revision(mod_revision);
}

void AddPut(TxnRequest& txn, const std::string& key, const std::string& value) {
  etcdserverpb::PutRequest& put = *txn.add_success()->mutable_request_put();
  put.set_key(key);
  put.set_value(value);
}

}  // namespace

struct Client::Addition {
  std::string name;
  std::string counter;
  int64_t counter_revision = 0;
  int64_t value = 0;
  int tries = 0;
};

Client::Client(World& world, Cluster& cluster, int number, int64_t think_ns)
    : world_(world),
      store_(world, cluster),
      random_(world.random().Fork()),
      number_(number),
      think_ns_(think_ns) {}

void Client::Next() {
  if (stopping_) return;
  idle_ = false;
  const auto wait_ns = static_cast<int64_t>(random_.Exponential(static_cast<double>(think_ns_)));
  world_.After(wait_ns, [this] {
    if (stopping_) {
      idle_ = true;
      return;
    }
    ++requests_;
    const uint64_t dice = random_.Below(100);
    if (dice < 25) return Put();
    if (dice < 30) return Delete();
    if (dice < 45) return ReadOne();
    if (dice < 52) return ReadAll();
    if (dice < 67) return CompareAndSwap();
    if (dice < 75) return Move();
    if (dice < 79) return LeaseAndPut();
    if (dice < 82) return KeepAlive();
    Add();
  });
}

void Client::Ended() {
  idle_ = true;
  Next();
}

std::string Client::NewValue() {
  const std::string padding(random_.Chance(0.1) ? random_.Below(2'000) : random_.Below(50), '.');
  return fmt::format("{}-{}{}", number_, ++values_, padding);
}

void Client::Forget(kv::Command command) {
  store_.Change(std::move(command), [this](Result<kv::Outcome>) { Ended(); });
}

void Client::Put() {
  kv::Command command;
  command.mutable_put()->set_key(RandomKey());
  command.mutable_put()->set_value(NewValue());
  command.mutable_put()->set_prev_kv(random_.Chance(0.5));
  Forget(std::move(command));
}

void Client::Delete() {
  kv::Command command;
  command.mutable_delete_range()->set_key(RandomKey());
  if (random_.Chance(0.2)) command.mutable_delete_range()->set_range_end("key0");
  command.mutable_delete_range()->set_prev_kv(random_.Chance(0.5));
  Forget(std::move(command));
}

void Client::ReadOne() {
  RangeRequest request;
  request.set_key(RandomKey());
  request.set_serializable(random_.Chance(0.2));
  store_.Range(request, [this](Result<RangeResponse>) { Ended(); });
}

void Client::ReadAll() {
  RangeRequest request;
  request.set_key("key/");
  request.set_range_end("key0");
  request.set_limit(static_cast<int64_t>(random_.Below(kKeys)));
  request.set_keys_only(random_.Chance(0.2));
  store_.Range(request, [this](Result<RangeResponse>) { Ended(); });
}

void Client::CompareAndSwap() {
  RangeRequest request;
  const std::string key = RandomKey();
  request.set_key(key);
  store_.Range(request, [this, key](Result<RangeResponse> found) {
    if (!found.ok()) return Ended();
    TxnRequest txn;
    AddCompare(txn, key, found->kvs().empty() ? 0 : found->kvs(0).mod_revision());
    AddPut(txn, key, NewValue());
    *txn.add_failure()->mutable_request_range() = [&] {
      RangeRequest again;
      again.set_key(key);
      return again;
    }();
    store_.Txn(std::move(txn), [this](Result<TxnResponse>) { Ended(); });
  });
}

// Several changes that must be seen together.
void Client::Move() {
  TxnRequest txn;
  const std::string from = RandomKey();
  const std::string to = RandomKey();
  AddPut(txn, to, NewValue());
  if (from != to) {
    txn.add_success()->mutable_request_delete_range()->set_key(from);
    txn.add_success()->mutable_request_range()->set_key(to);
  }
  store_.Txn(std::move(txn), [this](Result<TxnResponse>) { Ended(); });
}

void Client::LeaseAndPut() {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(random_.Between(2, 6));
  store_.LeaseGrant(request, [this](Result<etcdserverpb::LeaseGrantResponse> granted) {
    if (!granted.ok()) return Ended();
    lease_ = granted->id();
    kv::Command command;
    command.mutable_put()->set_key(RandomKey());
    command.mutable_put()->set_value(NewValue());
    command.mutable_put()->set_lease(lease_);
    Forget(std::move(command));
  });
}

void Client::KeepAlive() {
  store_.LeaseKeepAlive(lease_, [this](Result<etcdserverpb::LeaseKeepAliveResponse>) { Ended(); });
}

// ---- exactly once ----

void Client::Add() {
  auto addition = std::make_shared<Addition>();
  addition->name = fmt::format("{}{}-{}", kAdditionPrefix, number_, ++values_);
  addition->counter = CounterKey(static_cast<int>(random_.Below(kCounters)));
  TryAdd(std::move(addition));
}

// Adds one if the name is new and the counter as it was last seen; otherwise tells how both are.
void Client::TryAdd(std::shared_ptr<Addition> addition) {
  constexpr int kMaxTries = 40;
  if (++addition->tries > kMaxTries) {
    unknown_.insert(addition->name);
    return Ended();
  }
  TxnRequest txn;
  AddCompare(txn, addition->name, 0);
  AddCompare(txn, addition->counter, addition->counter_revision);
  AddPut(txn, addition->counter, std::to_string(addition->value + 1));
  AddPut(txn, addition->name, addition->counter);
  txn.add_failure()->mutable_request_range()->set_key(addition->name);
  txn.add_failure()->mutable_request_range()->set_key(addition->counter);
  store_.Txn(std::move(txn), [this, addition](Result<TxnResponse> result) {
    OnAdded(addition, std::move(result));
  });
}

void Client::OnAdded(std::shared_ptr<Addition> addition, Result<TxnResponse> result) {
  if (!result.ok()) {
    world_.After(random_.Between(1, 200) * kMs, [this, addition] { TryAdd(addition); });
    return;
  }
  const bool there = result->succeeded() || result->responses(0).response_range().kvs_size() > 0;
  if (there) {
    done_.insert(addition->name);
    return Ended();
  }
  const RangeResponse& counter = result->responses(1).response_range();
  addition->counter_revision = counter.kvs().empty() ? 0 : counter.kvs(0).mod_revision();
  addition->value = counter.kvs().empty() ? 0 : std::stoll(counter.kvs(0).value());
  TryAdd(std::move(addition));
}

// ---- the end ----

void Client::Probe() {
  kv::Command command;
  command.mutable_put()->set_key(RandomKey());
  command.mutable_put()->set_value(NewValue());
  store_.Change(std::move(command), [this](Result<kv::Outcome> outcome) {
    if (!outcome.ok()) {
      world_.After(100 * kMs, [this] { Probe(); });
      return;
    }
    RangeRequest request;
    request.set_key(RandomKey());
    store_.Range(request, [this](Result<RangeResponse> response) {
      if (response.ok()) {
        probed_ = true;
      } else {
        Probe();
      }
    });
  });
}

}  // namespace matricula::sim
