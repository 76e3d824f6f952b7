#include "common/rpc/health.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/rpc/server.h"

namespace matricula::rpc {

using grpc::health::v1::HealthCheckRequest;

// One stream of Watch. Its fields are under Health's mutex; `writer` is only copied there.
struct Health::Watcher {
  Watcher(std::string name, StreamWriter<Response> stream)
      : service(std::move(name)), writer(std::move(stream)) {}

  const std::string service;
  StreamWriter<Response> writer;
  std::optional<State> told;
  bool writing = false;
};

Health::Health() = default;
Health::~Health() = default;

void Health::RegisterOn(Server& server) {
  server.Unary("grpc.health.v1.Health/Check", this, &Health::Check);
  server.ServerStream("grpc.health.v1.Health/Watch", this, &Health::Watch);
}

Health::State Health::StateOf(const std::string& service) const {
  const auto found = serving_.find(service);
  if (found == serving_.end()) return Response::SERVICE_UNKNOWN;
  return found->second && !stopped_ ? Response::SERVING : Response::NOT_SERVING;
}

void Health::SetServing(std::string_view service, bool serving) {
  {
    base::MutexLock lock(mutex_);
    serving_[std::string(service)] = serving;
  }
  UpdateAll();
}

void Health::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
  }
  UpdateAll();
}

void Health::Check(const HealthCheckRequest& request, const CallContext&,
                   Responder<Response> responder) {
  Response response;
  {
    base::MutexLock lock(mutex_);
    response.set_status(StateOf(request.service()));
  }
  if (response.status() == Response::SERVICE_UNKNOWN) {
    responder.Fail({base::Code::kNotFound, "unknown service"});
  } else {
    responder.Finish(response);
  }
}

void Health::Watch(const HealthCheckRequest& request, const CallContext&,
                   StreamWriter<Response> writer) {
  auto watcher = std::make_shared<Watcher>(request.service(), writer);
  uint64_t id = 0;
  {
    base::MutexLock lock(mutex_);
    id = next_watcher_++;
    watchers_.emplace(id, watcher);
  }
  Update(watcher);
  writer.OnClosed([this, id] {
    std::shared_ptr<Watcher> gone;  // destroyed without the lock
    base::MutexLock lock(mutex_);
    const auto found = watchers_.find(id);
    if (found == watchers_.end()) return;
    gone = std::move(found->second);
    watchers_.erase(found);
  });
}

void Health::Update(const std::shared_ptr<Watcher>& watcher) {
  Response response;
  bool news = false;
  bool last = false;
  {
    base::MutexLock lock(mutex_);
    if (watcher->writing) return;  // it comes back here when that is written
    response.set_status(StateOf(watcher->service));
    news = watcher->told != response.status();
    last = stopped_;
    watcher->writing = news;
    watcher->told = response.status();
  }
  if (news) {
    watcher->writer.Write(response, [this, watcher] {
      {
        base::MutexLock lock(mutex_);
        watcher->writing = false;
      }
      Update(watcher);
    });
  }
  if (last) watcher->writer.Finish();
}

void Health::UpdateAll() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    base::MutexLock lock(mutex_);
    for (const auto& [id, watcher] : watchers_) watchers.push_back(watcher);
  }
  for (const auto& watcher : watchers) Update(watcher);
}

}  // namespace matricula::rpc
