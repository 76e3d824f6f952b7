#include "test/sim/watchers.h"

#include <fmt/format.h>

#include <utility>

namespace matricula::sim {

using etcdserverpb::WatchResponse;

Watcher::Watcher(World& world, Cluster& cluster, const Truth& truth)
    : world_(world), store_(world, cluster), truth_(truth), random_(world.random().Fork()) {
  const std::pair<std::string, std::string> ranges[] = {
      {"key/", "key0"}, {"key/2", "key/5"}, {"counter/", "counter0"}, {std::string(1, '\0'), "~"}};
  std::tie(begin_, end_) = ranges[random_.Below(4)];
  // From the beginning, or from wherever the store is when it is asked.
  next_revision_ = random_.Chance(0.5) ? 1 + static_cast<int64_t>(random_.Below(5)) : 0;
}

void Watcher::Open() {
  if (stopped_) return;
  etcdserverpb::WatchCreateRequest request;
  request.set_key(begin_);
  request.set_range_end(end_);
  request.set_start_revision(next_revision_);
  watch_ = store_.OpenWatch(request, this);
  // Sooner or later every connection breaks.
  world_.After(random_.Between(1, 15) * kSecond, [this, opening = ++openings_] {
    if (opening == openings_) Break();
  });
}

void Watcher::Break() {
  ++openings_;
  watch_.reset();
  world_.After(random_.Between(1, 300) * kMs, [this] { Open(); });
}

void Watcher::Stop() {
  stopped_ = true;
  ++openings_;
  watch_.reset();
}

bool Watcher::OnResponse(const WatchResponse& response) {
  if (response.created()) {
    OnCreated(response.header().revision());
  } else if (response.canceled()) {
    OnCanceled(response);
  } else {
    OnEvents(response);
  }
  return true;
}

void Watcher::OnCreated(int64_t revision) {
  if (revision > truth_.model().revision()) {
    return world_.Fail(
        fmt::format("a watch was created at revision {}, which does not exist", revision));
  }
  if (next_revision_ == 0) next_revision_ = revision + 1;
}

void Watcher::OnCanceled(const WatchResponse& response) {
  if (response.compact_revision() <= next_revision_) {
    return world_.Fail(fmt::format("a watch at revision {} was ended by a compaction at {}",
                                   next_revision_, response.compact_revision()));
  }
  next_revision_ = response.compact_revision();
}

void Watcher::OnEvents(const WatchResponse& response) {
  const int64_t seen = response.header().revision();
  if (seen > truth_.model().revision()) {
    return world_.Fail(fmt::format("a watch has seen revision {}, which does not exist", seen));
  }
  int next = 0;
  for (int64_t revision = next_revision_; revision <= seen; ++revision) {
    for (const mvccpb::Event& event : truth_.model().EventsOf(revision)) {
      if (!Watches(event.kv().key())) continue;
      const bool told = next < response.events_size() &&
                        response.events(next).SerializeAsString() == event.SerializeAsString();
      if (!told) {
        return world_.Fail(
            fmt::format("a watch over {} to {} missed or mistook {{{}}}: it was told {{{}}}",
                        begin_, end_, event.ShortDebugString(), response.ShortDebugString()));
      }
      ++next;
      ++events_;
    }
  }
  if (next < response.events_size()) {
    return world_.Fail(fmt::format("a watch that had seen all before {} was told {{{}}}",
                                   next_revision_, response.ShortDebugString()));
  }
  next_revision_ = std::max(next_revision_, seen + 1);
}

void Watcher::OnEnd(const base::Status&) { Break(); }

bool Watcher::UpToDate() const {
  if (next_revision_ == 0) return false;
  for (int64_t revision = next_revision_; revision <= truth_.model().revision(); ++revision) {
    for (const mvccpb::Event& event : truth_.model().EventsOf(revision)) {
      if (Watches(event.kv().key())) return false;
    }
  }
  return true;
}

}  // namespace matricula::sim
