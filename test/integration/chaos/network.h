#pragma once

#include <poll.h>

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace matricula::chaos {

// A member of the cluster, as the network sees it.
struct Station {
  int number = 0;       // 1 to 254; it connects from 127.0.1.<number>
  int proxy_port = 0;   // where the others believe it to be, on 127.0.0.1
  int target_port = 0;  // where it is
};

// What one member's bytes to another one meet with.
struct Link {
  enum class Mode {
    kOpen,
    kHold,  // nothing passes; what was sent meanwhile arrives, late, when the link is open again
    kDrop,  // nothing passes; a connection that lost bytes is reset when the link is open again
  };
  Mode mode = Mode::kOpen;
  int64_t delay_ms = 0;
  int64_t jitter_ms = 0;  // up to so much more
};

// The network between processes on one machine: they connect to each other's proxy ports, and every
// byte is relayed, kept, lost or delayed as the link from its sender to its receiver says. Which
// link that is depends on who sends, not on who connected: of a connection from A to B, the
// requests are on the link A→B and the answers on B→A. One thread.
class Network {
 public:
  Network(std::vector<Station> stations, uint64_t seed, const base::Clock& clock);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // Relays until `command_file` can be read, or has ended.
  void RelayUntilReadable(int command_file);

  void SetLink(int from, int to, Link link);
  // Resets the connections between the two, whoever made them.
  void Reset(int one, int other);
  std::vector<int> stations() const;
  int64_t relayed_bytes() const { return relayed_bytes_; }

 private:
  struct Chunk {
    int64_t due_ns;
    std::string bytes;
  };
  // One direction of a connection.
  struct Stream {
    int from_file = -1;
    int to_file = -1;
    int from = 0;
    int to = 0;
    std::deque<Chunk> queue;
    size_t queued_bytes = 0;
    bool ended = false;  // nothing more can be read
    bool lost_bytes = false;
  };
  struct Connection {
    Stream request;
    Stream answer;
    bool limbo = false;  // made while a link was down: nobody has answered
    bool over = false;
  };

  const Link& LinkOf(const Stream& stream) const;
  void Accept(int listener, const Station& station);
  void ReadFrom(Stream& stream, bool hung_up);
  void WriteTo(Connection& connection, Stream& stream);
  void Settle(Connection& connection);
  void Relay(Connection& connection, short client_events, short server_events);
  int PollTimeoutMs(int64_t now_ns) const;
  pollfd Wanted(const Stream& in, const Stream& out, int64_t now_ns) const;
  void Close(Connection& connection);

  const std::vector<Station> stations_;
  const base::Clock& clock_;
  uint64_t random_;
  std::vector<int> listeners_;
  std::map<std::pair<int, int>, Link> links_;
  std::list<Connection> connections_;
  int64_t relayed_bytes_ = 0;
};

}  // namespace matricula::chaos
