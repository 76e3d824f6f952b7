#include "test/differential/history.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace matricula::differential {
namespace {

constexpr size_t kMaxWatches = 8;
// Larger than a request may be, and larger than what gRPC lets through.
constexpr int kTooLargeBytes = 1'600'000;
constexpr int kFarTooLargeBytes = 3'000'000;
constexpr auto kExpiryPatience = std::chrono::seconds(20);
constexpr auto kExpiryPause = std::chrono::milliseconds(100);

const std::string kFirst("\0", 1);

etcdserverpb::WatchCreateRequest WatchEverything() {
  etcdserverpb::WatchCreateRequest request;
  request.set_key(kFirst);
  request.set_range_end(kFirst);
  request.set_start_revision(1);
  return request;
}

std::vector<etcdserverpb::WatchRequest> OneRequest(const etcdserverpb::WatchCreateRequest& create) {
  etcdserverpb::WatchRequest request;
  *request.mutable_create_request() = create;
  return {request};
}

template <class Response>
int64_t RevisionOf(const Response& response) {
  if constexpr (requires { response.header().revision(); }) {
    return response.header().revision();
  } else {
    return 0;
  }
}

etcdserverpb::RangeRequest RangeOfAll() {
  etcdserverpb::RangeRequest request;
  request.set_key(kFirst);
  request.set_range_end(kFirst);
  return request;
}

}  // namespace

History::History(Side& left, Side& right, uint64_t seed)
    : left_(left),
      right_(right),
      generator_(seed),
      log_(left, right, WatchEverything(), 1),
      seen_(left, OneRequest(WatchEverything())) {}

bool History::Same(const std::string& what, const std::string& left, const std::string& right) {
  if (left == right) {
    return true;
  }
  if (difference_.empty()) {
    difference_ =
        what + "\n  " + left_.name() + ": " + left + "\n  " + right_.name() + ": " + right;
  }
  return false;
}

template <class Response, class Prepare>
bool History::Both(const std::string& kind, const google::protobuf::Message& request,
                   Prepare prepare) {
  ++counts_[kind];
  Call<Response> left(left_, prepare);
  Call<Response> right(right_, prepare);
  const std::string on_left = left.Wait();
  const std::string on_right = right.Wait();
  generator_.revision = std::max(generator_.revision, RevisionOf(left.response()));
  if (!left.ok()) {
    ++counts_["refused"];
  }
  return Same(kind + " " + request.ShortDebugString(), on_left, on_right) && left.ok();
}

bool History::Run(int operations) {
  for (int i = 0; i < operations && difference_.empty(); ++i) {
    Step();
  }
  if (difference_.empty()) {
    CheckEverything();
  }
  if (difference_.empty()) {
    CheckExpiry();
  }
  return difference_.empty();
}

void History::Step() {
  const int choice = generator_.Number(1'000);
  if (choice < 850) {
    StepKv(choice);
  } else if (choice < 920) {
    StepLease();
  } else if (choice < 970) {
    StepWatch();
  } else if (choice < 990) {
    CheckHash(generator_.OneIn(2) ? 0 : generator_.Revision());
  } else if (choice < 998) {
    Compact();
  } else {
    PutTooLarge();
  }
}

void History::StepKv(int choice) {
  if (choice < 300) {
    Range(generator_.OneIn(20) ? RangeOfAll() : generator_.Range());
  } else if (choice < 520) {
    Put(generator_.Put());
  } else if (choice < 580) {
    const auto request = generator_.DeleteRange();
    Both<etcdserverpb::DeleteRangeResponse>(
        "delete", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
          return side.kv().PrepareAsyncDeleteRange(context, request, queue);
        });
  } else {
    const auto request = generator_.Txn();
    Both<etcdserverpb::TxnResponse>("txn", request,
                                    [&](Side& side, grpc::ClientContext* context, auto* queue) {
                                      return side.kv().PrepareAsyncTxn(context, request, queue);
                                    });
  }
}

bool History::Range(const etcdserverpb::RangeRequest& request) {
  return Both<etcdserverpb::RangeResponse>(
      "range", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
        return side.kv().PrepareAsyncRange(context, request, queue);
      });
}

bool History::Put(const etcdserverpb::PutRequest& request) {
  return Both<etcdserverpb::PutResponse>(
      "put", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
        return side.kv().PrepareAsyncPut(context, request, queue);
      });
}

void History::PutTooLarge() {
  etcdserverpb::PutRequest request;
  request.set_key("large");
  request.set_value(std::string(
      static_cast<size_t>(generator_.OneIn(2) ? kTooLargeBytes : kFarTooLargeBytes), 'x'));
  Put(request);
}

void History::Compact() {
  // Which of the past a watch still sees must not depend on who is faster.
  CatchUp();
  const auto request = generator_.Compaction();
  const bool done = Both<etcdserverpb::CompactionResponse>(
      "compact", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
        return side.kv().PrepareAsyncCompact(context, request, queue);
      });
  if (done) {
    generator_.compacted = request.revision();
  }
}

// ---- leases ----

bool History::Grant(const etcdserverpb::LeaseGrantRequest& request) {
  return Both<etcdserverpb::LeaseGrantResponse>(
      "grant", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
        return side.lease().PrepareAsyncLeaseGrant(context, request, queue);
      });
}

bool History::Revoke(int64_t lease) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(lease);
  return Both<etcdserverpb::LeaseRevokeResponse>(
      "revoke", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
        return side.lease().PrepareAsyncLeaseRevoke(context, request, queue);
      });
}

void History::StepLease() {
  switch (generator_.Number(8)) {
    case 0:
    case 1: {
      const auto request = generator_.LeaseGrant();
      if (Grant(request)) {
        generator_.leases.push_back(request.id());
      }
      break;
    }
    case 2: {  // a short one, gone again before it can end by itself
      etcdserverpb::LeaseGrantRequest request;
      request.set_id(1'000);
      request.set_ttl(generator_.Number(4) - 1);
      Grant(request);
      Revoke(1'000);
      break;
    }
    case 3: {
      const int64_t lease = generator_.Lease();
      if (Revoke(lease)) {
        auto& leases = generator_.leases;
        leases.erase(std::remove(leases.begin(), leases.end(), lease), leases.end());
      }
      break;
    }
    case 4: {
      const std::vector<int64_t> leases = {generator_.Lease(), generator_.Lease(), 0};
      ++counts_["keep-alive"];
      Same("keep-alive", KeepAlive(left_, leases), KeepAlive(right_, leases));
      break;
    }
    case 5: {
      const etcdserverpb::LeaseLeasesRequest request;
      Both<etcdserverpb::LeaseLeasesResponse>(
          "leases", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
            return side.lease().PrepareAsyncLeaseLeases(context, request, queue);
          });
      break;
    }
    default: {
      etcdserverpb::LeaseTimeToLiveRequest request;
      request.set_id(generator_.Lease());
      request.set_keys(generator_.OneIn(2));
      Both<etcdserverpb::LeaseTimeToLiveResponse>(
          "time-to-live", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
            return side.lease().PrepareAsyncLeaseTimeToLive(context, request, queue);
          });
      break;
    }
  }
}

// The keys of a lease that ends by itself go in one revision, in their order.
void History::CheckExpiry() {
  etcdserverpb::LeaseGrantRequest lease;
  lease.set_id(2'000);
  lease.set_ttl(2);
  Grant(lease);
  for (const char* key : {"c", "a1", "expires/2", "expires/1"}) {
    etcdserverpb::PutRequest put;
    put.set_key(key);
    put.set_lease(2'000);
    Put(put);
  }
  const auto deadline = std::chrono::steady_clock::now() + kExpiryPatience;
  const int64_t before = generator_.revision;
  for (Side* side : {&left_, &right_}) {
    etcdserverpb::RangeResponse response;
    do {
      std::this_thread::sleep_for(kExpiryPause);
      grpc::ClientContext context;
      side->kv().Range(&context, RangeOfAll(), &response);
    } while (response.header().revision() == before && std::chrono::steady_clock::now() < deadline);
  }
  CheckEverything();
}

// ---- watches ----

void History::StepWatch() {
  switch (generator_.Number(4)) {
    case 0:
      RunWatchScript();
      break;
    case 1:
      CloseWatch();
      break;
    default:
      OpenWatch();
      break;
  }
}

void History::OpenWatch() {
  if (watches_.size() >= kMaxWatches) {
    CloseWatch();
  }
  auto request = generator_.WatchCreate();
  // The event at the compacted revision itself is lost on etcd 3.4 if it is a deletion.
  if (request.start_revision() != 0 && request.start_revision() <= generator_.compacted) {
    request.set_start_revision(generator_.compacted + 1);
  }
  ++counts_["watch"];
  // The log must know all that the watch is to see of the past. If that is nothing, the watch is up
  // to date at some time that does not show, and a compaction before that would end it.
  CatchUp();
  const auto log = seen_.events();
  if (request.start_revision() <= generator_.revision &&
      std::none_of(log.begin(), log.end(),
                   [&](const mvccpb::Event& event) { return Wants(request, event); })) {
    request.set_start_revision(0);
  }
  watches_.push_back(std::make_unique<WatchPair>(left_, right_, request, generator_.revision));
  CatchUp();
}

void History::CloseWatch() {
  if (!watches_.empty()) {
    CatchUp();
    watches_.pop_front();
  }
}

void History::RunWatchScript() {
  auto script = generator_.WatchScript();
  etcdserverpb::WatchRequest last;  // its answer is the last one
  last.mutable_create_request()->set_key("a");
  last.mutable_create_request()->set_watch_id(1'000);
  script.push_back(last);
  ++counts_["watch script"];
  WatchReader left(left_, script);
  WatchReader right(right_, script);
  const auto finished = [](WatchReader& reader) {
    std::string text;
    for (size_t i = 1; text.find("watch_id: 1000") == std::string::npos; ++i) {
      if (!reader.WaitForControls(i)) {
        return text + "and then nothing";
      }
      text += reader.controls()[i - 1] + "; ";
    }
    return text;
  };
  std::string text;
  for (const auto& request : script) {
    text += "\n    " + request.ShortDebugString();
  }
  Same("watch script" + text, finished(left), finished(right));
}

void History::CatchUp() {
  const auto caught_up = [&] {
    const auto events = seen_.events();
    return !events.empty() && events.back().kv().mod_revision() >= generator_.revision;
  };
  const auto deadline = std::chrono::steady_clock::now() + kExpiryPatience;
  while (generator_.revision > 1 && !caught_up() && std::chrono::steady_clock::now() < deadline) {
    seen_.WaitForEvents(seen_.events().size() + 1);
  }
  const auto log = seen_.events();
  std::string wrong = log_.CatchUp(log);
  for (const auto& watch : watches_) {
    if (wrong.empty()) {
      wrong = watch->CatchUp(log);
      wrong = wrong.empty() ? "" : watch->request().ShortDebugString() + ": " + wrong;
    }
  }
  if (!wrong.empty() && difference_.empty()) {
    difference_ = "watch " + wrong;
  }
}

// ---- checks ----

void History::CheckHash(int64_t revision) {
  etcdserverpb::HashKVRequest request;
  request.set_revision(revision);
  Both<etcdserverpb::HashKVResponse>(
      "hash", request, [&](Side& side, grpc::ClientContext* context, auto* queue) {
        return side.maintenance().PrepareAsyncHashKV(context, request, queue);
      });
}

void History::CheckEverything() {
  Range(RangeOfAll());
  CheckHash(0);
  CatchUp();
}

std::string History::Summary() const {
  std::string text;
  for (const auto& [kind, count] : counts_) {
    text += (text.empty() ? "" : ", ") + kind + " " + std::to_string(count);
  }
  return text + "; revision " + std::to_string(generator_.revision);
}

}  // namespace matricula::differential
