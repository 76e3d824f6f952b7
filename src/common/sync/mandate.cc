#include "common/sync/mandate.h"

#include <nlohmann/json.hpp>

#include "common/sync/await.h"
#include "common/sync/relay_keys.h"

namespace matricula::sync {
namespace {

using etcdserverpb::Compare;
using etcdserverpb::LeaseGrantRequest;
using etcdserverpb::LeaseGrantResponse;
using etcdserverpb::LeaseKeepAliveResponse;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

constexpr int64_t kRenewMs = LeaseMandate::kLeaseSeconds * 1000 / 3;
// Longest without a renewal that was heard of; the lease itself lasts a little longer.
constexpr int64_t kTrustMs = LeaseMandate::kLeaseSeconds * 1000 * 4 / 5;

}  // namespace

bool LeaseMandate::Held() {
  if (leads_ && !leads_()) {
    GiveUp();
    tried_ms_ = 0;  // to be taken at once when we lead again
    return false;
  }
  const int64_t now_ms = clock_.MonotonicMs();
  if (held_ && now_ms - renewed_ms_ < kRenewMs) return true;
  if (held_) {
    held_ = Renew();
    return held_;
  }
  if (tried_ms_ != 0 && now_ms - tried_ms_ < kRenewMs) return false;
  tried_ms_ = now_ms;
  held_ = TryToTake();
  return held_;
}

// A store that does not answer takes nothing away before its time: others cannot take it either.
bool LeaseMandate::Renew() {
  RangeRequest request;
  request.set_key(std::string(kRelayOwnerKey));
  const auto owner = Await<RangeResponse>(
      [&](base::Done<RangeResponse> done) { store_.Range(request, std::move(done)); });
  if (owner.ok() && (owner->kvs().empty() || owner->kvs(0).lease() != lease_id_)) return false;
  if (owner.ok() && KeepAlive()) return true;
  return clock_.MonotonicMs() - renewed_ms_ < kTrustMs;
}

bool LeaseMandate::KeepAlive() {
  const int64_t asked_ms = clock_.MonotonicMs();
  const auto answer = Await<LeaseKeepAliveResponse>([&](base::Done<LeaseKeepAliveResponse> done) {
    store_.LeaseKeepAlive(lease_id_, std::move(done));
  });
  if (!answer.ok()) return false;
  if (answer->ttl() <= 0) {
    lease_id_ = 0;
    renewed_ms_ = 0;
    return false;
  }
  renewed_ms_ = asked_ms;
  return true;
}

bool LeaseMandate::TryToTake() {
  const int64_t asked_ms = clock_.MonotonicMs();
  if (lease_id_ == 0 || !KeepAlive()) {
    LeaseGrantRequest request;
    request.set_ttl(kLeaseSeconds);
    const auto lease = Await<LeaseGrantResponse>(
        [&](base::Done<LeaseGrantResponse> done) { store_.LeaseGrant(request, std::move(done)); });
    if (!lease.ok()) return false;
    lease_id_ = lease->id();
  }
  // Ours already counts too: an earlier answer may have been lost.
  TxnRequest request;
  if (!leads_) {
    Compare* nobody = request.add_compare();
    nobody->set_key(std::string(kRelayOwnerKey));
    nobody->set_target(Compare::CREATE);
    nobody->set_create_revision(0);
  }
  auto* put = request.add_success()->mutable_request_put();
  put->set_key(std::string(kRelayOwnerKey));
  put->set_value(nlohmann::json{{"nome", name_}}.dump());
  put->set_lease(lease_id_);
  request.add_failure()->mutable_request_range()->set_key(std::string(kRelayOwnerKey));
  const auto answer = Await<TxnResponse>(
      [&](base::Done<TxnResponse> done) { store_.Txn(std::move(request), std::move(done)); });
  if (!answer.ok()) return false;
  bool ours = answer->succeeded();
  if (!ours) {
    const auto& range = answer->responses(0).response_range();
    ours = range.kvs_size() == 1 && range.kvs(0).lease() == lease_id_;
  }
  if (ours) renewed_ms_ = asked_ms;
  return ours;
}

void LeaseMandate::GiveUp() {
  if (!held_) return;
  held_ = false;
  TxnRequest request;
  Compare* ours = request.add_compare();
  ours->set_key(std::string(kRelayOwnerKey));
  ours->set_target(Compare::LEASE);
  ours->set_lease(lease_id_);
  request.add_success()->mutable_request_delete_range()->set_key(std::string(kRelayOwnerKey));
  // Should this fail, the lease ends by itself.
  [[maybe_unused]] const auto answer = Await<TxnResponse>(
      [&](base::Done<TxnResponse> done) { store_.Txn(std::move(request), std::move(done)); });
}

}  // namespace matricula::sync
