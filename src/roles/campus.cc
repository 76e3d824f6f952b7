#include "roles/campus.h"

#include <unistd.h>

#include <utility>

#include <fmt/format.h>

#include "common/base/log.h"

namespace matricula::roles {
namespace {

std::string HostName() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return host;
}

// The same after a restart, and of one process at a time: nobody else can listen there.
std::string NameOnBroker(const Settings& settings) {
  const bool replica_alone =
      settings.HasRole("kv-replica") && !settings.HasRole("admin") && !settings.HasRole("portal");
  return fmt::format("matriculad-{}-{}", HostName(),
                     replica_alone ? settings.kv_listen : settings.listen);
}

// What it was good for, in the last lines of a process.
void LogCache(const sync::CacheStats& stats) {
  base::log::Info("cache.closed", {{"hits", stats.hits},
                                   {"of_these_waited", stats.waits},
                                   {"misses", stats.misses},
                                   {"fallbacks", stats.fallbacks},
                                   {"questions", stats.questions},
                                   {"gaps", stats.gaps},
                                   {"keys", stats.keys}});
}

}  // namespace

Campus::Campus(const Settings& settings, const base::Clock& clock, store::Store& store,
               std::function<bool()> leads)
    : settings_(settings),
      clock_(clock),
      store_(store),
      on_(settings.mqtt != "off"),
      name_(NameOnBroker(settings)),
      outage_(std::make_shared<mqtt::Outage>()),
      timer_(clock),
      mandate_(store, clock, name_, std::move(leads)) {}

Campus::~Campus() {
  if (cache_) LogCache(cache_->Stats());
  ingest_.reset();
  relay_.reset();
  cache_.reset();
}

mqtt::ClientOptions Campus::ClientOptionsFor(const std::string& part) const {
  mqtt::ClientOptions options;
  options.broker = *mqtt::ParseBrokerUrl(settings_.mqtt);
  options.client_id = name_ + "-" + part;
  options.ca_file = settings_.mqtt_ca;
  options.certificate_file = settings_.mqtt_certificate;
  options.private_key_file = settings_.mqtt_key;
  options.seed = std::hash<std::string>()(options.client_id);
  options.outage = outage_;
  return options;
}

store::Store& Campus::CacheStore() {
  // A replica in this process answers faster than a cache could.
  if (!on_ || !settings_.cache || settings_.HasRole("kv-replica")) return store_;
  sync::CachedStore::Options options;
  options.mqtt = ClientOptionsFor("cache");
  cache_ = std::make_unique<sync::CachedStore>(store_, timer_, clock_, std::move(options));
  cache_->Start();
  return *cache_;
}

void Campus::Start(domain::Domain* domain) {
  if (!on_) return;
  // The replica that leads relays; admin servers do if the store is not ours, or has no broker.
  if (settings_.HasRole("kv-replica") || settings_.HasRole("admin")) {
    sync::Relay::Options options;
    options.mqtt = ClientOptionsFor("relay");
    relay_ = std::make_unique<sync::Relay>(store_, clock_, mandate_, std::move(options));
    relay_->Start();
  }
  if (domain != nullptr && settings_.mqtt_ingest) {
    sync::Ingest::Options options;
    options.mqtt = ClientOptionsFor("ingest");
    ingest_ = std::make_unique<sync::Ingest>(store_, *domain, clock_, std::move(options));
    ingest_->Start();
  }
}

std::function<std::string()> Campus::MissingBroker() const {
  if (!on_) return [] { return std::string(); };
  const bool asked_for = settings_.mqtt != Settings().mqtt;
  return [outage = outage_, asked_for, url = mqtt::ParseBrokerUrl(settings_.mqtt)->ToString()] {
    const mqtt::Outage::State broker = outage->state();
    return broker.away && (asked_for || broker.seen) ? "no broker at " + url : "";
  };
}

CampusStats Campus::Stats() const {
  CampusStats stats;
  if (cache_) stats.cache = cache_->Stats();
  if (relay_) stats.relay = relay_->Stats();
  if (ingest_) stats.ingest = ingest_->Stats();
  return stats;
}

}  // namespace matricula::roles
