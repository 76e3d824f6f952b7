#pragma once

#include <memory>
#include <string>

#include "test/sim/sim_store.h"
#include "test/sim/truth.h"

namespace matricula::sim {

// Watches a part of the keys from some revision on for the whole run, at one replica after the
// other, and must be told every change exactly once, whole revisions, in order. Only a compaction
// may take something from it, and only what is older than the compaction says.
class Watcher final : public store::WatchSink {
 public:
  Watcher(World& world, Cluster& cluster, const Truth& truth);

  void Start() { Open(); }
  // Opens no further watch.
  void Stop();
  // Everything before it has been seen.
  int64_t next_revision() const { return next_revision_; }
  bool Watches(const std::string& key) const { return key >= begin_ && key < end_; }
  // All changes that exist by now have arrived.
  bool UpToDate() const;
  uint64_t events() const { return events_; }

  bool OnResponse(const etcdserverpb::WatchResponse& response) override;
  void OnEnd(const base::Status& status) override;

 private:
  void Open();
  void Break();
  void OnCreated(int64_t revision);
  void OnCanceled(const etcdserverpb::WatchResponse& response);
  void OnEvents(const etcdserverpb::WatchResponse& response);

  World& world_;
  SimStore store_;
  const Truth& truth_;
  Random random_;
  std::string begin_;
  std::string end_;
  int64_t next_revision_ = 0;  // 0: whatever comes
  std::unique_ptr<store::Watch> watch_;
  uint64_t openings_ = 0;
  bool stopped_ = false;
  uint64_t events_ = 0;
};

}  // namespace matricula::sim
