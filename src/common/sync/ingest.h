#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/domain/domain.h"
#include "common/mqtt/client.h"
#include "common/store/store.h"

namespace matricula::sync {

// What became of the messages of strangers. Each is counted once.
struct IngestStats {
  uint64_t applied = 0;
  uint64_t unchanged = 0;      // an update to what was there already
  uint64_t refused = 0;        // by the rules of the domain
  uint64_t unknown_topic = 0;  // under portal/, but none of ours
  uint64_t malformed = 0;
  uint64_t other_cluster = 0;  // told by the relay of another matriculad
  uint64_t over_limit = 0;     // came faster than the limit
  uint64_t failed = 0;         // the store could not be reached, or its answer was lost
  uint64_t waiting = 0;        // not decided yet
  // Of the refused and malformed ones and those of unknown topics; at most kMaxReasons, what comes
  // later is counted as "other".
  std::map<std::string, uint64_t> reasons;
  mqtt::ClientStats bus;
};

// Applies what others say on the bus: people with mosquitto_pub, other campus systems. Every server
// of a cluster subscribes as a member of one group, so exactly one gets each message. Messages are
// applied one after the other in the order in which this server gets them; between servers there is
// no order. A refused message is counted and dropped, and a line is logged once a minute at most.
//
// At most once: libmosquitto acknowledges a message before we have it, so one that is under way
// while this process dies is lost.
//
// What the relay of another matriculad tells is not taken: two that take each other's changes would
// never come to rest, and a copy that was restored for a look must not write into the original.
class Ingest {
 public:
  static constexpr size_t kMaxReasons = 50;
  // Longest payload that can be meant seriously, in bytes; names end at 256.
  static constexpr size_t kMaxPayloadBytes = 4'096;

  struct Options {
    mqtt::ClientOptions mqtt;           // the subscription is added here
    int64_t messages_per_second = 500;  // well-formed ones; more are dropped
    int64_t burst = 10'000;             // on top of it, after a quiet time
    size_t max_waiting = 10'000;        // messages not decided yet; more are dropped
    int64_t report_interval_ms = 60'000;
  };

  // All must outlive the ingest. The store says which messages are our own relay's.
  Ingest(store::Store& store, domain::Domain& domain, const base::Clock& clock, Options options);
  // Leaves the bus first, then decides what waits, for two seconds at most.
  ~Ingest();

  void Start();
  IngestStats Stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matricula::sync
