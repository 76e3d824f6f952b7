#include "common/store/etcd_store.h"

#include <utility>

#include "common/store/etcd_call.h"
#include "common/store/etcd_engine.h"
#include "common/store/etcd_judge.h"
#include "common/store/etcd_watch.h"

namespace matricula::store {
namespace {

// Keeps a watch open for as long as its holder wants it.
class Handle final : public Watch {
 public:
  explicit Handle(std::shared_ptr<EtcdWatch> watch) : watch_(std::move(watch)) {}
  ~Handle() override { watch_->Close(); }
  void Resume() override { watch_->Resume(); }
  void RequestProgress() override { watch_->RequestProgress(); }

 private:
  const std::shared_ptr<EtcdWatch> watch_;
};

template <class Operation>
void Start(EtcdEngine& engine, const std::shared_ptr<Operation>& operation) {
  if (auto status = engine.Start(operation); !status.ok()) {
    operation->Refuse(status);
  }
}

bool IsAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  return colon != std::string::npos && colon > 0 && colon + 1 < text.size() &&
         text.find_first_not_of("0123456789", colon + 1) == std::string::npos &&
         text.find('/') == std::string::npos;
}

// A transaction without operations is answered from the server's local, maybe stale state. A range
// of nothing in each branch makes it linearizable; its answer is taken out again.
void AddRange(etcdserverpb::TxnRequest& request) {
  for (auto* branch : {request.mutable_success(), request.mutable_failure()}) {
    auto* range = branch->Add()->mutable_request_range();
    range->set_key("\0", 1);
    range->set_count_only(true);
  }
}

}  // namespace

base::Result<std::unique_ptr<EtcdStore>> EtcdStore::Create(const EtcdStoreOptions& options,
                                                           const base::Clock& clock) {
  if (options.endpoints.empty()) {
    return base::Status(base::Code::kInvalidArgument, "the store has no endpoints");
  }
  for (const std::string& endpoint : options.endpoints) {
    if (!IsAddress(endpoint)) {
      return base::Status(base::Code::kInvalidArgument,
                          "'" + endpoint + "' is no address of the form HOST:PORT");
    }
  }
  return std::unique_ptr<EtcdStore>(new EtcdStore(options, clock));
}

EtcdStore::EtcdStore(const EtcdStoreOptions& options, const base::Clock& clock)
    : request_timeout_ms_(options.request_timeout_ms),
      engine_(std::make_unique<EtcdEngine>(options.endpoints, options.channel,
                                           options.max_in_flight, options.loop, clock)) {}

EtcdStore::~EtcdStore() = default;

void EtcdStore::Range(const etcdserverpb::RangeRequest& request,
                      base::Done<etcdserverpb::RangeResponse> done) {
  using Call = EtcdUnary<etcdserverpb::RangeRequest, etcdserverpb::RangeResponse>;
  // A serializable read is for when there is no leader.
  const EtcdCallOptions options{CallKind::kRead, request_timeout_ms_, !request.serializable()};
  const auto prepare = [](EtcdEndpoint& endpoint, grpc::ClientContext* context,
                          const etcdserverpb::RangeRequest& message, grpc::CompletionQueue* queue) {
    return endpoint.kv->PrepareAsyncRange(context, message, queue);
  };
  Start(*engine_, std::make_shared<Call>(*engine_, options, prepare, request, std::move(done)));
}

void EtcdStore::Txn(etcdserverpb::TxnRequest request, base::Done<etcdserverpb::TxnResponse> done) {
  using Call = EtcdUnary<etcdserverpb::TxnRequest, etcdserverpb::TxnResponse>;
  const EtcdCallOptions options{KindOf(request), request_timeout_ms_, true};
  const auto prepare = [](EtcdEndpoint& endpoint, grpc::ClientContext* context,
                          const etcdserverpb::TxnRequest& message, grpc::CompletionQueue* queue) {
    return endpoint.kv->PrepareAsyncTxn(context, message, queue);
  };
  if (request.success().empty() && request.failure().empty()) {
    AddRange(request);
    done = [told = std::move(done)](base::Result<etcdserverpb::TxnResponse> result) mutable {
      if (result.ok()) {
        result->clear_responses();
      }
      std::move(told)(std::move(result));
    };
  }
  Start(*engine_,
        std::make_shared<Call>(*engine_, options, prepare, std::move(request), std::move(done)));
}

std::unique_ptr<Watch> EtcdStore::OpenWatch(const etcdserverpb::WatchCreateRequest& request,
                                            WatchSink* sink) {
  auto watch = std::make_shared<EtcdWatch>(*engine_, request, sink);
  Start(*engine_, watch);
  return std::make_unique<Handle>(std::move(watch));
}

void EtcdStore::LeaseGrant(const etcdserverpb::LeaseGrantRequest& request,
                           base::Done<etcdserverpb::LeaseGrantResponse> done) {
  using Call = EtcdUnary<etcdserverpb::LeaseGrantRequest, etcdserverpb::LeaseGrantResponse>;
  const EtcdCallOptions options{CallKind::kWrite, request_timeout_ms_, true};
  const auto prepare = [](EtcdEndpoint& endpoint, grpc::ClientContext* context,
                          const etcdserverpb::LeaseGrantRequest& message,
                          grpc::CompletionQueue* queue) {
    return endpoint.lease->PrepareAsyncLeaseGrant(context, message, queue);
  };
  Start(*engine_, std::make_shared<Call>(*engine_, options, prepare, request, std::move(done)));
}

void EtcdStore::LeaseKeepAlive(int64_t lease_id,
                               base::Done<etcdserverpb::LeaseKeepAliveResponse> done) {
  const EtcdCallOptions options{CallKind::kRead, request_timeout_ms_, true};
  Start(*engine_, std::make_shared<EtcdKeepAlive>(*engine_, options, lease_id, std::move(done)));
}

}  // namespace matricula::store
