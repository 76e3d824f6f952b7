#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "common/raft/message.h"
#include "test/sim/world.h"

namespace matricula::sim {

// Carries messages between replicas, and loses, doubles, delays and reorders them as told.
class Network {
 public:
  struct Weather {
    int64_t latency_ns = 200 * kUs;  // at least
    int64_t jitter_ns = 300 * kUs;   // on top, exponential
    double loss = 0;
    double duplication = 0;
    double long_delay = 0;            // how often a message takes its time
    int64_t long_delay_ns = kSecond;  // then, on average; some take much longer
    double late_vote = 0;             // how often a request for a vote comes up to a second late
    double damaged_chunk = 0;         // how often a bit of a piece of a snapshot turns
    bool keeps_order = true;          // between two nodes, but for long delays
  };
  using Deliver = std::function<void(raft::Message)>;

  Network(World& world, Deliver deliver);

  void SetWeather(const Weather& weather) { weather_ = weather; }
  const Weather& weather() const { return weather_; }

  // Nothing passes from `from` to `to` any more; the other way round is another matter.
  void Cut(raft::NodeId from, raft::NodeId to) { cut_.insert({from, to}); }
  void HealAll() { cut_.clear(); }
  bool any_cut() const { return !cut_.empty(); }

  void Send(raft::Message message);
  // How long a message between a client and a replica takes; nothing: it is lost.
  std::optional<int64_t> ClientDelayNs();

  uint64_t sent() const { return sent_; }
  uint64_t lost() const { return lost_; }

 private:
  int64_t DrawDelayNs();
  void Damage(raft::SnapshotChunk& chunk);
  void Plan(raft::Message message);

  World& world_;
  Random random_;
  const Deliver deliver_;
  Weather weather_;
  std::set<std::pair<raft::NodeId, raft::NodeId>> cut_;
  std::map<std::pair<raft::NodeId, raft::NodeId>, int64_t> last_arrival_ns_;
  uint64_t sent_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace matricula::sim
