#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "test/differential/side.h"

namespace matricula::differential {

// A Watch stream on one side, and everything that came over it.
class WatchReader {
 public:
  WatchReader(Side& side, const std::vector<etcdserverpb::WatchRequest>& requests);
  ~WatchReader();

  // Waits until there are that many; false after a generous time.
  bool WaitForEvents(size_t count);
  // Of responses that are no events: creations and cancellations.
  bool WaitForControls(size_t count);

  std::vector<mvccpb::Event> events() const;
  std::vector<std::string> controls() const;
  bool canceled() const;

 private:
  void Run();
  void Take(etcdserverpb::WatchResponse& response);

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>>
      stream_;
  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<mvccpb::Event> events_ GUARDED_BY(mutex_);
  std::vector<std::string> controls_ GUARDED_BY(mutex_);
  bool canceled_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Whether the watch is to tell of the event.
bool Wants(const etcdserverpb::WatchCreateRequest& request, const mvccpb::Event& event);

// The same watch on both sides.
class WatchPair {
 public:
  WatchPair(Side& left, Side& right, const etcdserverpb::WatchCreateRequest& request,
            int64_t revision);

  // Waits until both have all events of `log`, which is all that ever happened, that they should.
  // Returns what is wrong, or nothing.
  std::string CatchUp(const std::vector<mvccpb::Event>& log);
  // Compares everything that came.
  std::string Compare() const;
  const etcdserverpb::WatchCreateRequest& request() const { return request_; }

 private:
  const etcdserverpb::WatchCreateRequest request_;
  const int64_t start_revision_;
  WatchReader left_;
  WatchReader right_;
};

}  // namespace matricula::differential
