#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/mqtt/broker_url.h"
#include "common/mqtt/outage.h"

// The campus bus: MQTT v5 (OASIS Standard, 2019) through libmosquitto, behind one interface.
namespace matricula::mqtt {

// Messages handed over but not acknowledged by the broker; more are refused.
inline constexpr size_t kMaxUnacknowledged = 1'000;
// Longest topic and payload that are passed on or sent, in bytes; longer incoming ones are dropped.
inline constexpr size_t kMaxTopicBytes = 1'024;
inline constexpr size_t kMaxPayloadBytes = 64 << 10;
// Largest packet that the broker may send us, properties and all: it drops what is larger, and we
// need no memory for it.
inline constexpr size_t kMaxPacketBytes = 128 << 10;

using UserProperties = std::vector<std::pair<std::string, std::string>>;

struct Message {
  std::string topic;
  std::string payload;
  bool retained = false;           // incoming only: sent before we subscribed
  UserProperties user_properties;  // empty for what a v3 client sent
};

// Told what happens; on the client's own thread, one call at a time. Must not block, and only
// enqueue what takes long: while it runs, nothing else is read.
class Listener {
 public:
  virtual ~Listener() = default;
  // Connected, and all subscriptions are in place.
  virtual void OnConnected() = 0;
  // What was not acknowledged by now may or may not have arrived, and is not sent again.
  virtual void OnDisconnected(const base::Status& why) = 0;
  virtual void OnMessage(Message message) = 0;
  // The broker has acknowledged this message of ours and all of this connection before it.
  virtual void OnPublished(uint64_t ticket) = 0;
};

struct ClientOptions {
  BrokerUrl broker;
  // Should be the same after a restart, so that the broker does not keep sessions that nobody comes
  // back to. If another client uses it too, the one that is thrown out goes on under a longer one.
  std::string client_id;
  // Topic filters, subscribed at every connect with QoS 1; messages of our own are not echoed to
  // us.
  std::vector<std::string> subscriptions;
  // PEM files for mqtts; without an authority's file the system's are used.
  std::string ca_file;
  std::string certificate_file;
  std::string private_key_file;
  int keepalive_s = 10;
  // How long the broker keeps what arrives while we are away. A polite end is the end of it.
  uint32_t session_expiry_s = 60;
  // Begin with what the broker has kept for this id since an earlier life of the process.
  bool resume_at_start = false;
  // Attempts to connect are this far apart at first and at most, doubling, each with jitter.
  int64_t min_backoff_ms = 200;
  int64_t max_backoff_ms = 10'000;
  uint64_t seed = 0;  // of the jitter
  // Shared by the clients of a process that use one broker; null: one of its own.
  std::shared_ptr<Outage> outage;
};

// What a client has seen so far.
struct ClientStats {
  bool connected = false;
  uint64_t connects = 0;   // times that it got as far as its subscriptions
  uint64_t published = 0;  // acknowledged by the broker
  uint64_t refused = 0;    // not taken by Publish: no broker, or the window was full
  uint64_t received = 0;
  uint64_t too_long = 0;        // of these, dropped for their length
  uint64_t unacknowledged = 0;  // on their way now
};

// A connection that comes back by itself. It has one thread, and no other thread ever waits for the
// broker.
class Client {
 public:
  // Both must outlive the client.
  Client(ClientOptions options, const base::Clock& clock, Listener& listener);
  ~Client();  // disconnects politely
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Start();

  // Sends with QoS 1, in the order of the calls; from any thread. The ticket comes back in
  // OnPublished. Unavailable: not connected; ResourceExhausted: kMaxUnacknowledged are on their
  // way. Either way nothing was sent.
  base::Result<uint64_t> Publish(Message message);

  ClientStats Stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matricula::mqtt
