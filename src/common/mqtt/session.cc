#include "common/mqtt/session.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>

#include <cstdlib>

#include <fmt/format.h>

#include "common/base/ensure.h"
#include "common/mqtt/tcp_probe.h"

namespace matricula::mqtt {
namespace {

using base::Code;
using base::Status;

constexpr int kConnectTimeoutMs = 3'000;
constexpr int kQosAtLeastOnce = 1;

// libmosquitto wants to be initialised once per process.
void InitialiseLibrary() {
  static const int initialised = mosquitto_lib_init();
  ENSURE(initialised == MOSQ_ERR_SUCCESS, "libmosquitto cannot be initialised");
}

Status FromMosquitto(int result, std::string_view doing) {
  if (result == MOSQ_ERR_SUCCESS) return base::OkStatus();
  return {Code::kUnavailable, fmt::format("{}: {}", doing, mosquitto_strerror(result))};
}

// Frees a property list when it goes.
class Properties {
 public:
  ~Properties() { mosquitto_property_free_all(&list_); }
  void AddNumber(int name, uint32_t number) { mosquitto_property_add_int32(&list_, name, number); }
  void AddUser(const std::string& name, const std::string& value) {
    mosquitto_property_add_string_pair(&list_, MQTT_PROP_USER_PROPERTY, name.c_str(),
                                       value.c_str());
  }
  const mosquitto_property* get() const { return list_; }

 private:
  mosquitto_property* list_ = nullptr;
};

UserProperties ReadUserProperties(const mosquitto_property* properties) {
  UserProperties result;
  char* name = nullptr;
  char* value = nullptr;
  const mosquitto_property* at = mosquitto_property_read_string_pair(
      properties, MQTT_PROP_USER_PROPERTY, &name, &value, false);
  while (at != nullptr) {
    result.emplace_back(name, value);
    std::free(name);
    std::free(value);
    at = mosquitto_property_read_string_pair(at, MQTT_PROP_USER_PROPERTY, &name, &value, true);
  }
  return result;
}

}  // namespace

Session::Session(const ClientOptions& options, Listener& listener, bool resume)
    : options_(options), listener_(listener) {
  InitialiseLibrary();
  mosquitto_ = mosquitto_new(options.client_id.c_str(), !resume, this);
  ENSURE(mosquitto_ != nullptr, "libmosquitto refuses the client id");
}

Session::~Session() { mosquitto_destroy(mosquitto_); }

Status Session::Configure() {
  mosquitto_threaded_set(mosquitto_, true);
  mosquitto_int_option(mosquitto_, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  mosquitto_int_option(mosquitto_, MOSQ_OPT_TCP_NODELAY, 1);
  // Its default of 20 unacknowledged messages would make the round trip the limit.
  mosquitto_int_option(mosquitto_, MOSQ_OPT_RECEIVE_MAXIMUM, kMaxUnacknowledged);
  mosquitto_int_option(mosquitto_, MOSQ_OPT_SEND_MAXIMUM, kMaxUnacknowledged);
  mosquitto_connect_v5_callback_set(mosquitto_, &Session::OnConnack);
  mosquitto_subscribe_v5_callback_set(mosquitto_, &Session::OnSuback);
  mosquitto_publish_v5_callback_set(mosquitto_, &Session::OnPuback);
  mosquitto_message_v5_callback_set(mosquitto_, &Session::OnMessage);
  mosquitto_disconnect_v5_callback_set(mosquitto_, &Session::OnDisconnect);
  mosquitto_log_callback_set(mosquitto_, &Session::OnLog);
  const BrokerUrl& broker = options_.broker;
  if (!broker.user.empty()) {
    mosquitto_username_pw_set(mosquitto_, broker.user.c_str(), broker.password.c_str());
  }
  if (!broker.tls) return base::OkStatus();
  const auto path = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
  if (options_.ca_file.empty()) {
    mosquitto_int_option(mosquitto_, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
  }
  return FromMosquitto(
      mosquitto_tls_set(mosquitto_, path(options_.ca_file),
                        options_.ca_file.empty() ? "/etc/ssl/certs" : nullptr,
                        path(options_.certificate_file), path(options_.private_key_file), nullptr),
      "TLS files");
}

Status Session::Connect() {
  RETURN_IF_ERROR(Configure());
  const BrokerUrl& broker = options_.broker;
  RETURN_IF_ERROR(ProbeTcp(broker.host, broker.port, kConnectTimeoutMs));
  Properties properties;
  properties.AddNumber(MQTT_PROP_SESSION_EXPIRY_INTERVAL, options_.session_expiry_s);
  properties.AddNumber(MQTT_PROP_MAXIMUM_PACKET_SIZE, kMaxPacketBytes);
  return Explained(
      FromMosquitto(mosquitto_connect_bind_v5(mosquitto_, broker.host.c_str(), broker.port,
                                              options_.keepalive_s, nullptr, properties.get()),
                    "connect"));
}

int Session::descriptor() const { return mosquitto_socket(mosquitto_); }

bool Session::WantsToWrite() const { return mosquitto_want_write(mosquitto_); }

Status Session::Serve(bool readable, bool writable) {
  constexpr int kPacketsAtOnce = 100;
  int result = MOSQ_ERR_SUCCESS;
  if (readable) result = mosquitto_loop_read(mosquitto_, kPacketsAtOnce);
  if (result == MOSQ_ERR_SUCCESS && writable) result = mosquitto_loop_write(mosquitto_, 1);
  if (result == MOSQ_ERR_SUCCESS) result = mosquitto_loop_misc(mosquitto_);
  if (!failure_.ok()) return Explained(failure_);
  return Explained(FromMosquitto(result, "connection"));
}

Status Session::Explained(const Status& status) const {
  if (status.ok() || complaint_.empty()) return status;
  return {status.code(), fmt::format("{} ({})", status.message(), complaint_)};
}

Status Session::Publish(uint64_t ticket, const Message& message) {
  Properties properties;
  for (const auto& [name, value] : message.user_properties) properties.AddUser(name, value);
  int mid = 0;
  RETURN_IF_ERROR(FromMosquitto(
      mosquitto_publish_v5(mosquitto_, &mid, message.topic.c_str(),
                           static_cast<int>(message.payload.size()), message.payload.data(),
                           kQosAtLeastOnce, false, properties.get()),
      "publish"));
  tickets_.emplace(mid, ticket);
  return base::OkStatus();
}

void Session::Disconnect() {
  if (!ready_) return;
  Properties properties;
  properties.AddNumber(MQTT_PROP_SESSION_EXPIRY_INTERVAL, 0);
  mosquitto_disconnect_v5(mosquitto_, MQTT_RC_NORMAL_DISCONNECTION, properties.get());
  mosquitto_loop_write(mosquitto_, 1);
}

void Session::Fail(std::string reason) {
  if (failure_.ok()) failure_ = {Code::kUnavailable, std::move(reason)};
}

void Session::Subscribe() {
  for (const std::string& filter : options_.subscriptions) {
    // What we publish ourselves we know; but a shared subscription may not ask for that (§3.8.3.1).
    const bool shared = filter.starts_with("$share/");
    const int subscribe_options =
        (shared ? 0 : MQTT_SUB_OPT_NO_LOCAL) | MQTT_SUB_OPT_SEND_RETAIN_NEVER;
    const int result = mosquitto_subscribe_v5(mosquitto_, nullptr, filter.c_str(), kQosAtLeastOnce,
                                              subscribe_options, nullptr);
    if (result != MOSQ_ERR_SUCCESS) Fail(fmt::format("subscribe {}", filter));
  }
}

void Session::BecomeReadyIfSubscribed() {
  if (ready_ || subscriptions_granted_ < options_.subscriptions.size()) return;
  ready_ = true;
  listener_.OnConnected();
}

void Session::OnConnack(mosquitto*, void* self, int reason, int, const mqtt5__property*) {
  auto& session = *static_cast<Session*>(self);
  if (reason != MQTT_RC_SUCCESS) {
    session.Fail(fmt::format("the broker refuses us: {}", mosquitto_reason_string(reason)));
    return;
  }
  session.Subscribe();
  session.BecomeReadyIfSubscribed();
}

void Session::OnSuback(mosquitto*, void* self, int, int count, const int* granted,
                       const mqtt5__property*) {
  auto& session = *static_cast<Session*>(self);
  for (int i = 0; i < count; ++i) {
    if (granted[i] >= MQTT_RC_UNSPECIFIED) {
      session.Fail(fmt::format("the broker refuses a subscription: {}",
                               mosquitto_reason_string(granted[i])));
      return;
    }
  }
  ++session.subscriptions_granted_;
  session.BecomeReadyIfSubscribed();
}

void Session::OnPuback(mosquitto*, void* self, int mid, int reason, const mqtt5__property*) {
  auto& session = *static_cast<Session*>(self);
  const auto found = session.tickets_.find(mid);
  if (found == session.tickets_.end()) return;
  const uint64_t ticket = found->second;
  session.tickets_.erase(found);
  // "No matching subscribers" (0x10) is a success; from 0x80 on the broker has refused it.
  if (reason >= MQTT_RC_UNSPECIFIED) {
    session.Fail(fmt::format("the broker refuses a message: {}", mosquitto_reason_string(reason)));
    return;
  }
  session.listener_.OnPublished(ticket);
}

void Session::OnMessage(mosquitto*, void* self, const mosquitto_message* incoming,
                        const mqtt5__property* properties) {
  auto& session = *static_cast<Session*>(self);
  Message message;
  message.topic = incoming->topic;
  if (incoming->payloadlen > 0) {
    message.payload.assign(static_cast<const char*>(incoming->payload), incoming->payloadlen);
  }
  message.retained = incoming->retain;
  message.user_properties = ReadUserProperties(properties);
  session.listener_.OnMessage(std::move(message));
}

void Session::OnDisconnect(mosquitto*, void* self, int reason, const mqtt5__property*) {
  auto& session = *static_cast<Session*>(self);
  session.taken_over_ = reason == MQTT_RC_SESSION_TAKEN_OVER;
  // From 0x80 on it is the broker that says so (§2.4), below it is libmosquitto.
  const char* why =
      reason >= MQTT_RC_UNSPECIFIED ? mosquitto_reason_string(reason) : mosquitto_strerror(reason);
  session.Fail(reason == 0 ? "disconnected" : fmt::format("connection lost: {}", why));
}

void Session::OnLog(mosquitto*, void* self, int level, const char* text) {
  if (level == MOSQ_LOG_ERR) static_cast<Session*>(self)->complaint_ = text;
}

}  // namespace matricula::mqtt
