#include "test/sim/network.h"

#include <algorithm>
#include <utility>

#include "common/raft/describe.h"

namespace matricula::sim {

Network::Network(World& world, Deliver deliver)
    : world_(world), random_(world.random().Fork()), deliver_(std::move(deliver)) {}

int64_t Network::DrawDelayNs() {
  const auto jitter =
      static_cast<int64_t>(random_.Exponential(static_cast<double>(weather_.jitter_ns)));
  return weather_.latency_ns + jitter;
}

void Network::Send(raft::Message message) {
  ++sent_;
  if (world_.verbose()) world_.Say(raft::Describe(message));
  if (cut_.contains({message.from, message.to}) || random_.Chance(weather_.loss)) {
    ++lost_;
    return;
  }
  if (auto* chunk = std::get_if<raft::SnapshotChunk>(&message.body)) Damage(*chunk);
  if (random_.Chance(weather_.duplication)) Plan(message);
  Plan(std::move(message));
}

// Nothing else on the wire has a checksum of its own: for that, connections are trusted.
void Network::Damage(raft::SnapshotChunk& chunk) {
  if (chunk.bytes.size() == 0 || !random_.Chance(weather_.damaged_chunk)) return;
  std::string bytes(chunk.bytes.view());
  const uint64_t bit = random_.Below(bytes.size() * 8);
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  chunk.bytes = std::move(bytes);
}

void Network::Plan(raft::Message message) {
  int64_t arrival_ns = world_.now_ns() + DrawDelayNs();
  if (random_.Chance(weather_.long_delay)) {
    arrival_ns +=
        static_cast<int64_t>(random_.HeavyTailed(static_cast<double>(weather_.long_delay_ns)));
  } else if (std::holds_alternative<raft::VoteRequest>(message.body) &&
             random_.Chance(weather_.late_vote)) {
    arrival_ns += random_.Between(0, kSecond);
  } else if (weather_.keeps_order) {
    int64_t& last_ns = last_arrival_ns_[{message.from, message.to}];
    last_ns = arrival_ns = std::max(arrival_ns, last_ns);
  }
  world_.At(arrival_ns, [this, message = std::move(message)]() mutable {
    // A partition catches what is under way, too.
    if (cut_.contains({message.from, message.to})) {
      ++lost_;
    } else {
      deliver_(std::move(message));
    }
  });
}

std::optional<int64_t> Network::ClientDelayNs() {
  if (random_.Chance(weather_.loss)) return std::nullopt;
  return DrawDelayNs();
}

}  // namespace matricula::sim
