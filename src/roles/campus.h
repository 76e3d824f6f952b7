#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/domain/domain.h"
#include "common/domain/timer.h"
#include "common/mqtt/client.h"
#include "common/store/store.h"
#include "common/sync/cached_store.h"
#include "common/sync/ingest.h"
#include "common/sync/relay.h"
#include "roles/settings.h"

namespace matricula::roles {

// What the parts that this process has of the campus bus have counted.
struct CampusStats {
  std::optional<sync::CacheStats> cache;
  std::optional<sync::RelayStats> relay;
  std::optional<sync::IngestStats> ingest;
};

// This process's place on the campus bus: it may relay changes, keeps its cache by them, and takes
// what strangers ask for. Without a broker (--mqtt off) it does nothing.
class Campus {
 public:
  // `store` must outlive it. `leads` says whether this process leads the replicas that are the
  // store; empty if the store is elsewhere.
  Campus(const Settings& settings, const base::Clock& clock, store::Store& store,
         std::function<bool()> leads);
  ~Campus();

  // The store as the portals should see it: through a cache, where that helps.
  store::Store& CacheStore();
  // Begins to relay, and to apply what strangers ask for to `domain` (nullptr: nothing of that).
  void Start(domain::Domain* domain);
  // To be called before the domain is closed.
  void StopIngest() { ingest_.reset(); }
  // From any thread, between Start and StopIngest.
  CampusStats Stats() const;
  // Says which broker is missed; "": none. One that nobody has asked for, and that was never there,
  // is not. From any thread; may outlive this.
  std::function<std::string()> MissingBroker() const;

 private:
  mqtt::ClientOptions ClientOptionsFor(const std::string& part) const;

  const Settings& settings_;
  const base::Clock& clock_;
  store::Store& store_;
  const bool on_;
  const std::string name_;  // of this process on the broker
  const std::shared_ptr<mqtt::Outage> outage_;
  domain::ThreadTimer timer_;
  std::unique_ptr<sync::CachedStore> cache_;
  sync::LeaseMandate mandate_;
  std::unique_ptr<sync::Relay> relay_;
  std::unique_ptr<sync::Ingest> ingest_;
};

}  // namespace matricula::roles
