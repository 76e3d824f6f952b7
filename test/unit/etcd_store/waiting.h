#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/store/etcd_store.h"

// How these tests wait for what a store tells on its own thread.
namespace matricula::store {

inline constexpr auto kPatience = std::chrono::seconds(30);

// For clusters of several members: a new leader within a second.
inline const std::vector<std::string> kFastElections = {"--heartbeat-interval", "50",
                                                        "--election-timeout", "500"};

// The answer of an asynchronous call.
template <class T>
class Answer {
 public:
  base::Done<T> done() {
    return [promise = promise_](base::Result<T> result) { promise->set_value(std::move(result)); };
  }
  bool ready() const { return future_.wait_for(std::chrono::seconds(0)) == Ready(); }
  base::Result<T> Get() {
    if (future_.wait_for(kPatience) != Ready()) {
      return base::Status(base::Code::kInternal, "no answer");
    }
    return future_.get();
  }

 private:
  static std::future_status Ready() { return std::future_status::ready; }
  std::shared_ptr<std::promise<base::Result<T>>> promise_ =
      std::make_shared<std::promise<base::Result<T>>>();
  std::future<base::Result<T>> future_ = promise_->get_future();
};

inline etcdserverpb::TxnRequest PutTxn(const std::string& key, const std::string& value) {
  etcdserverpb::TxnRequest request;
  auto* put = request.add_success()->mutable_request_put();
  put->set_key(key);
  put->set_value(value);
  return request;
}

inline base::Result<etcdserverpb::TxnResponse> Put(Store& store, const std::string& key,
                                                   const std::string& value) {
  Answer<etcdserverpb::TxnResponse> answer;
  store.Txn(PutTxn(key, value), answer.done());
  return answer.Get();
}

// Many writes at once, each a revision of its own: `prefix` with 0, 1, … appended.
inline bool PutMany(Store& store, const std::string& prefix, int count) {
  std::vector<Answer<etcdserverpb::TxnResponse>> answers(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    store.Txn(PutTxn(prefix + std::to_string(i), std::to_string(i)),
              answers[static_cast<size_t>(i)].done());
  }
  bool all = true;
  for (auto& answer : answers) {
    all = answer.Get().ok() && all;
  }
  return all;
}

inline base::Result<etcdserverpb::RangeResponse> Get(Store& store, const std::string& key,
                                                     const std::string& range_end = "") {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  request.set_range_end(range_end);
  Answer<etcdserverpb::RangeResponse> answer;
  store.Range(request, answer.done());
  return answer.Get();
}

// Puts `value` in the place of `previous`, exactly once, whatever happens to servers and answers
// meanwhile: a write of unknown outcome is settled by reading back.
inline void Replace(Store& store, const std::string& key, const std::string& previous,
                    const std::string& value) {
  etcdserverpb::TxnRequest request = PutTxn(key, value);
  auto* compare = request.add_compare();
  compare->set_key(key);
  compare->set_target(etcdserverpb::Compare::VALUE);
  compare->set_value(previous);
  while (true) {
    Answer<etcdserverpb::TxnResponse> answer;
    store.Txn(request, answer.done());
    if (const auto result = answer.Get(); result.ok() && result->succeeded()) {
      return;
    }
    const auto read = Get(store, key);
    if (read.ok() && read->kvs_size() == 1 && read->kvs(0).value() == value) {
      return;
    }
  }
}

inline etcdserverpb::WatchCreateRequest WatchOf(const std::string& key,
                                                const std::string& range_end,
                                                int64_t start_revision) {
  etcdserverpb::WatchCreateRequest request;
  request.set_key(key);
  request.set_range_end(range_end);
  request.set_start_revision(start_revision);
  return request;
}

// Remembers all that a watch tells.
class RecordingSink : public WatchSink {
 public:
  bool OnResponse(const etcdserverpb::WatchResponse& response) override {
    base::MutexLock lock(mutex_);
    responses_.push_back(response);
    for (const mvccpb::Event& event : response.events()) {
      events_.push_back(event);
    }
    progress_ += !response.created() && !response.canceled() && response.events().empty() ? 1 : 0;
    changed_.NotifyAll();
    return !pausing_;
  }
  void OnEnd(const base::Status& status) override {
    base::MutexLock lock(mutex_);
    ended_ = true;
    end_ = status;
    changed_.NotifyAll();
  }

  // From now on every response is answered with "enough for now".
  void PauseAfterEach(bool pausing) {
    base::MutexLock lock(mutex_);
    pausing_ = pausing;
  }

  std::vector<mvccpb::Event> events() const {
    base::MutexLock lock(mutex_);
    return events_;
  }
  std::vector<etcdserverpb::WatchResponse> responses() const {
    base::MutexLock lock(mutex_);
    return responses_;
  }
  base::Status end() const {
    base::MutexLock lock(mutex_);
    return end_;
  }
  bool WaitForEvents(size_t count) {
    return WaitFor([&]() REQUIRES(mutex_) { return events_.size() >= count; });
  }
  bool WaitForProgress(int count) {
    return WaitFor([&]() REQUIRES(mutex_) { return progress_ >= count; });
  }
  bool WaitForResponses(size_t count) {
    return WaitFor([&]() REQUIRES(mutex_) { return responses_.size() >= count; });
  }
  bool WaitForEnd() {
    return WaitFor([&]() REQUIRES(mutex_) { return ended_; });
  }

 private:
  template <class Condition>
  bool WaitFor(Condition condition) {
    base::MutexLock lock(mutex_);
    while (!condition()) {
      if (!changed_.WaitFor(mutex_, kPatience)) {
        return condition();
      }
    }
    return true;
  }

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<etcdserverpb::WatchResponse> responses_ GUARDED_BY(mutex_);
  std::vector<mvccpb::Event> events_ GUARDED_BY(mutex_);
  int progress_ GUARDED_BY(mutex_) = 0;
  bool pausing_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  base::Status end_ GUARDED_BY(mutex_);
};

inline std::unique_ptr<EtcdStore> OpenStore(std::vector<std::string> endpoints,
                                            int64_t request_timeout_ms = 7'000,
                                            size_t max_in_flight = 8'192) {
  EtcdStoreOptions options;
  options.endpoints = std::move(endpoints);
  options.request_timeout_ms = request_timeout_ms;
  options.max_in_flight = max_in_flight;
  return std::move(EtcdStore::Create(options, base::SystemClock()).value());
}

}  // namespace matricula::store
