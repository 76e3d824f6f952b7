#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/domain/domain.h"
#include "common/mqtt/client.h"
#include "common/store/store.h"

namespace matricula::sync {

// What became of the messages of strangers.
struct IngestStats {
  uint64_t applied = 0;
  uint64_t refused = 0;     // by the rules of the domain
  uint64_t malformed = 0;   // wrong topic or payload
  uint64_t over_limit = 0;  // came faster than the limit
  uint64_t failed = 0;      // the store could not be reached
};

// Applies what others say on the bus: people with mosquitto_pub, other campus systems. Every server
// of a cluster subscribes as a member of one group, so exactly one gets each message. Messages are
// applied one after the other in the order in which this server gets them; between servers there is
// no order. A refused message is counted and dropped, and a line is logged once a minute at most.
//
// At most once: libmosquitto acknowledges a message before we have it, so one that is under way
// while this process dies is lost.
class Ingest {
 public:
  struct Options {
    mqtt::ClientOptions mqtt;  // the subscription is added here
    uint64_t cluster_id = 0;   // messages that carry it are our own relay's
    int64_t messages_per_second = 500;
    size_t max_waiting = 10'000;  // messages not applied yet; also the longest burst
  };

  // All must outlive the ingest. The store says which messages are our own relay's.
  Ingest(store::Store& store, domain::Domain& domain, const base::Clock& clock, Options options);
  ~Ingest();  // what waits is dropped

  void Start();
  IngestStats Stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matricula::sync
