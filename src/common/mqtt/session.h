#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "common/base/status.h"
#include "common/mqtt/client.h"

struct mosquitto;
struct mosquitto_message;
struct mqtt5__property;  // NOLINT(bugprone-reserved-identifier): libmosquitto named it

namespace matricula::mqtt {

// One connection to the broker, from connect to disconnect, on one thread. Each has a libmosquitto
// client of its own, so that nothing that was queued in one can be sent again in the next.
class Session {
 public:
  // With `resume`, the broker delivers what it kept for us since the session before.
  Session(const ClientOptions& options, Listener& listener, bool resume);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Opens the connection; blocks up to a few seconds. The handshake goes on in Serve.
  base::Status Connect();
  int descriptor() const;
  bool WantsToWrite() const;
  // Does what can be done now; once `ready()` turns true, the listener has been told. An error is
  // the end of the session.
  base::Status Serve(bool readable, bool writable);
  bool ready() const { return ready_; }
  // It ended because somebody else connected under the same client id.
  bool taken_over() const { return taken_over_; }

  base::Status Publish(uint64_t ticket, const Message& message);
  // Tells the broker that we do not come back: it forgets what it keeps for us.
  void Disconnect();

 private:
  static void OnConnack(mosquitto*, void* self, int reason, int, const mqtt5__property*);
  static void OnSuback(mosquitto*, void* self, int, int count, const int* granted,
                       const mqtt5__property*);
  static void OnPuback(mosquitto*, void* self, int mid, int reason, const mqtt5__property*);
  static void OnMessage(mosquitto*, void* self, const mosquitto_message* message,
                        const mqtt5__property* properties);
  static void OnDisconnect(mosquitto*, void* self, int reason, const mqtt5__property*);
  static void OnLog(mosquitto*, void* self, int level, const char* text);

  base::Status Configure();
  base::Status Explained(const base::Status& status) const;  // with what libmosquitto said
  void Subscribe();
  void BecomeReadyIfSubscribed();
  void Fail(std::string reason);

  const ClientOptions& options_;
  Listener& listener_;
  mosquitto* mosquitto_;
  bool ready_ = false;
  bool taken_over_ = false;
  std::string complaint_;  // the last that libmosquitto itself had to say, such as OpenSSL's errors
  size_t subscriptions_granted_ = 0;
  base::Status failure_;                       // why the session is over, once it is
  std::unordered_map<int, uint64_t> tickets_;  // by message id, until acknowledged
};

}  // namespace matricula::mqtt
