#include "roles/campus.h"

#include <unistd.h>

#include <random>
#include <utility>

#include <fmt/format.h>

namespace matricula::roles {
namespace {

// Two processes with one name would throw each other off the broker for ever, so chance decides.
std::string DrawName() {
  std::random_device device;
  return fmt::format("matricula-{:08x}{:08x}", device(), device());
}

std::string OperatorsName() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  return fmt::format("{}:{}", host, getpid());
}

}  // namespace

Campus::Campus(const Settings& settings, const base::Clock& clock, store::Store& store)
    : settings_(settings),
      clock_(clock),
      store_(store),
      on_(settings.mqtt != "off"),
      name_(DrawName()),
      timer_(clock),
      mandate_(store, clock, OperatorsName()) {}

Campus::~Campus() {
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
  // Replicas and admin servers can relay; the latter for the sake of a store that is not ours.
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

}  // namespace matricula::roles
