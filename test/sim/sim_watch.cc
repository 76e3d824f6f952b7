#include "test/sim/sim_watch.h"

#include <algorithm>
#include <utility>

namespace matricula::sim {

using base::Code;
using base::Status;

// The connection: outlives the watch at either end, as long as something is under way on it.
class SimWatch::Line final : public store::WatchSink, public std::enable_shared_from_this<Line> {
 public:
  Line(World& world, Network& network, Random random, store::WatchSink* sink)
      : world_(world), network_(network), random_(random), sink_(sink) {}

  void Connect(Replica* replica, const etcdserverpb::WatchCreateRequest& request) {
    Later([self = shared_from_this(), replica, request] {
      if (self->sink_ == nullptr) return;
      if (replica == nullptr || !replica->up()) return self->Break();
      self->handle_ = replica->hub().Open(request, self.get());
      replica->Wake();
    });
  }

  // The client is gone.
  void Hang() {
    sink_ = nullptr;
    handle_.reset();
  }

  void Resume() {
    if (handle_) handle_->Resume();
  }
  void RequestProgress() {
    if (handle_) handle_->RequestProgress();
  }

  // ---- called by the replica ----

  bool OnResponse(const etcdserverpb::WatchResponse& response) override {
    Later([self = shared_from_this(), response] {
      if (self->sink_ != nullptr) (void)self->sink_->OnResponse(response);
    });
    if (!random_.Chance(0.05)) return true;
    world_.After(random_.Between(1, 500) * kMs, [self = shared_from_this()] { self->Resume(); });
    return false;
  }

  void OnEnd(const Status& status) override {
    Later([self = shared_from_this(), status] { self->End(status); });
  }

 private:
  void Break() { End({Code::kUnavailable, "the connection is broken"}); }

  void End(const Status& status) {
    if (auto* sink = std::exchange(sink_, nullptr)) sink->OnEnd(status);
  }

  // In order. A lost packet on a connection is only late.
  void Later(World::Event event) {
    const int64_t delay_ns = network_.ClientDelayNs().value_or(300 * kMs);
    last_ns_ = std::max(last_ns_, world_.now_ns() + delay_ns);
    world_.At(last_ns_, std::move(event));
  }

  World& world_;
  Network& network_;
  Random random_;
  store::WatchSink* sink_;
  std::unique_ptr<store::Watch> handle_;
  int64_t last_ns_ = 0;
};

SimWatch::SimWatch(World& world, Network& network, Random random, store::WatchSink* sink)
    : world_(world), line_(std::make_shared<Line>(world, network, random, sink)) {}

SimWatch::~SimWatch() {
  // Not at once: whoever is called back may be the one who lets go.
  line_->Hang();
  world_.After(0, [line = line_] {});
}

void SimWatch::Open(Replica* replica, const etcdserverpb::WatchCreateRequest& request) {
  line_->Connect(replica, request);
}

void SimWatch::Resume() { line_->Resume(); }
void SimWatch::RequestProgress() { line_->RequestProgress(); }

}  // namespace matricula::sim
