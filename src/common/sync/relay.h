#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/mqtt/client.h"
#include "common/store/store.h"
#include "common/sync/mandate.h"

namespace matricula::sync {

struct RelayStats {
  bool relaying = false;       // this server is the one, and there is a broker
  uint64_t messages = 0;       // acknowledged by the broker
  int64_t revision = 0;        // of the last change of which all messages are
  int64_t cursor = 0;          // kept in the store: what a successor goes on from
  uint64_t runs = 0;           // times that it began, each with the last seconds told again
  uint64_t interruptions = 0;  // of these, ended by trouble with broker or store
  uint64_t lost = 0;           // times that the store had compacted what was not told yet
  mqtt::ClientStats bus;
};

// Change data capture: reads the store's own log of changes and publishes each, in revision order,
// from a cursor kept in the store. A change is told at least once, whatever crashes: the cursor
// moves only when the broker has acknowledged all before it some seconds ago (a broker that is
// killed forgets its last moments), and whoever has the mandate next goes on from there. While
// there is no broker nothing is read and nothing grows.
//
// What the store compacts before it was told is lost to the bus; that is logged, and subscribers
// see it as a hole between `prev` and `rev`.
class Relay {
 public:
  struct Options {
    mqtt::ClientOptions mqtt;  // without subscriptions
    // How often the cursor is kept while changes flow.
    int64_t cursor_interval_ms = 200;
  };

  // All must outlive the relay.
  Relay(store::Store& store, const base::Clock& clock, Mandate& mandate, Options options);
  // Keeps the cursor and gives the mandate up. The store must still answer.
  ~Relay();

  void Start();
  RelayStats Stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matricula::sync
