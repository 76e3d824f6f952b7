#include "common/mqtt/outage.h"

#include "common/base/log.h"

namespace matricula::mqtt {

void Outage::Begin(std::string_view broker, std::string_view reason) {
  const base::MutexLock lock(mutex_);
  told_connected_ = false;
  if (away_++ > 0) return;
  base::log::Warning(
      "mqtt.unavailable",
      {{"broker", broker}, {"reason", reason}, {"effect", "none on enrollment; retrying quietly"}});
}

void Outage::End(std::string_view broker) {
  Leave();
  Connected(broker);
}

void Outage::Leave() {
  const base::MutexLock lock(mutex_);
  --away_;
}

void Outage::Connected(std::string_view broker) {
  const base::MutexLock lock(mutex_);
  seen_ = true;
  if (away_ > 0 || told_connected_) return;
  told_connected_ = true;
  base::log::Info("mqtt.connected", {{"broker", broker}});
}

Outage::State Outage::state() const {
  const base::MutexLock lock(mutex_);
  return {.away = away_ > 0, .seen = seen_};
}

}  // namespace matricula::mqtt
