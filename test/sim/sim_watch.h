#pragma once

#include <memory>

#include "common/store/store.h"
#include "test/sim/network.h"
#include "test/sim/replica.h"

namespace matricula::sim {

// A watch at a replica far away: what it says arrives later, in order, until the replica dies or
// the connection breaks. Now and then the client is slow, and asks for a pause.
class SimWatch final : public store::Watch {
 public:
  SimWatch(World& world, Network& network, Random random, store::WatchSink* sink);
  ~SimWatch() override;

  // Null: there is nobody to ask.
  void Open(Replica* replica, const etcdserverpb::WatchCreateRequest& request);

  void Resume() override;
  void RequestProgress() override;

 private:
  class Line;

  World& world_;
  const std::shared_ptr<Line> line_;
};

}  // namespace matricula::sim
