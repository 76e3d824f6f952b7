#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/mutex.h"
#include "common/base/status.h"
#include "common/rpc/call.h"
#include "health.pb.h"

namespace matricula::rpc {

class Server;

// grpc.health.v1 on our own thread: gRPC's implementation would bring threads of its own.
// Any thread.
class Health {
 public:
  Health();
  ~Health();

  void RegisterOn(Server& server);

  void SetServing(std::string_view service, bool serving) EXCLUDES(mutex_);
  // Everything stops serving, for good; watchers are told, and their streams end.
  void Stop() EXCLUDES(mutex_);

 private:
  using Response = grpc::health::v1::HealthCheckResponse;
  using State = Response::ServingStatus;
  struct Watcher;
  struct Work;

  void Check(const grpc::health::v1::HealthCheckRequest& request, const CallContext& context,
             Responder<Response> responder) EXCLUDES(mutex_);
  void Watch(const grpc::health::v1::HealthCheckRequest& request, const CallContext& context,
             StreamWriter<Response> writer) EXCLUDES(mutex_);

  State StateOf(const std::string& service) const REQUIRES(mutex_);
  // Writes the newest state to a watcher, unless it is busy with one or knows it already.
  void Update(const std::shared_ptr<Watcher>& watcher) EXCLUDES(mutex_);
  void UpdateAll() EXCLUDES(mutex_);

  base::Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::map<std::string, bool, std::less<>> serving_ GUARDED_BY(mutex_);
  uint64_t next_watcher_ GUARDED_BY(mutex_) = 0;
  std::map<uint64_t, std::shared_ptr<Watcher>> watchers_ GUARDED_BY(mutex_);
};

}  // namespace matricula::rpc
