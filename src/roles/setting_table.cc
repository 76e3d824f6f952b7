#include "roles/setting_table.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "common/mqtt/broker_url.h"

namespace matricula::roles {
namespace {

using base::Code;
using base::Status;

Status Bad(std::string_view value, std::string_view expected) {
  return {Code::kInvalidArgument, fmt::format("'{}' is not {}", value, expected)};
}

Setting Text(std::string_view name, std::string_view value_name, std::string_view help,
             std::string Settings::*field) {
  return {name,
          value_name,
          help,
          false,
          [field](Settings& settings, const Values& values) {
            if (values.front().empty()) return Bad("", "a value");
            settings.*field = values.front();
            return base::OkStatus();
          },
          [field](const Settings& settings) { return Values{settings.*field}; }};
}

// A path, or nothing.
Setting OptionalFile(std::string_view name, std::string_view help, std::string Settings::*field) {
  return {name,
          "FILE",
          help,
          false,
          [field](Settings& settings, const Values& values) {
            settings.*field = values.front();
            return base::OkStatus();
          },
          [field](const Settings& settings) { return Values{settings.*field}; }};
}

// Any text, or nothing.
Setting OptionalText(std::string_view name, std::string_view value_name, std::string_view help,
                     std::string Settings::*field) {
  Setting setting = OptionalFile(name, help, field);
  setting.value_name = value_name;
  return setting;
}

// What --print-config shows goes into tickets and terminals.
std::string WithoutPassword(const std::string& url) {
  const auto broker = mqtt::ParseBrokerUrl(url);
  if (!broker.ok() || broker->password.empty()) return url;
  const size_t colon = url.find(':', url.find("://") + 3);
  return url.substr(0, colon + 1) + "***" + url.substr(url.rfind('@'));
}

Setting Broker() {
  return {"mqtt",
          "URL",
          "the campus bus: mqtt://[user:password@]host[:port], mqtts://…, or off",
          false,
          [](Settings& settings, const Values& values) {
            if (values.front() != "off") {
              RETURN_IF_ERROR(mqtt::ParseBrokerUrl(values.front()).status());
            }
            settings.mqtt = values.front();
            return base::OkStatus();
          },
          [](const Settings& settings) { return Values{WithoutPassword(settings.mqtt)}; }};
}

bool IsHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  int port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  return error == std::errc() && stop == end && port >= 0 && port <= 65535;
}

Setting Address(std::string_view name, std::string_view help, std::string Settings::*field) {
  return {name,
          "HOST:PORT",
          help,
          false,
          [field](Settings& settings, const Values& values) {
            if (!IsHostPort(values.front())) return Bad(values.front(), "an address HOST:PORT");
            settings.*field = values.front();
            return base::OkStatus();
          },
          [field](const Settings& settings) { return Values{settings.*field}; }};
}

// An address, or nothing.
Setting OptionalAddress(std::string_view name, std::string_view help,
                        std::string Settings::*field) {
  return {name,
          "HOST:PORT",
          help,
          false,
          [field](Settings& settings, const Values& values) {
            const std::string& value = values.front();
            if (!value.empty() && !IsHostPort(value)) return Bad(value, "an address HOST:PORT");
            settings.*field = value;
            return base::OkStatus();
          },
          [field](const Settings& settings) { return Values{settings.*field}; }};
}

Setting Peers() {
  return {"peer",
          "[NAME=]HOST:PORT",
          "another replica's raft-listen; once for each of the others",
          true,
          [](Settings& settings, const Values& values) {
            settings.peer.clear();
            for (const std::string& value : values) {
              if (value.empty()) continue;
              if (!IsHostPort(PeerOf(value).address)) {
                return Bad(value, "a peer [NAME=]HOST:PORT");
              }
              settings.peer.push_back(value);
            }
            return base::OkStatus();
          },
          [](const Settings& settings) { return settings.peer; }};
}

Setting Addresses(std::string_view name, std::string_view help, Values Settings::*field) {
  return {name,
          "HOST:PORT",
          help,
          true,
          [field](Settings& settings, const Values& values) {
            for (const std::string& value : values) {
              if (!IsHostPort(value)) return Bad(value, "an address HOST:PORT");
            }
            settings.*field = values;
            return base::OkStatus();
          },
          [field](const Settings& settings) { return settings.*field; }};
}

template <class Integer>
Setting Number(std::string_view name, std::string_view value_name, std::string_view help,
               Integer Settings::*field, int64_t least, int64_t most) {
  return {name,
          value_name,
          help,
          false,
          [=](Settings& settings, const Values& values) {
            const std::string& text = values.front();
            int64_t number = 0;
            const char* end = text.data() + text.size();
            const auto [stop, error] = std::from_chars(text.data(), end, number);
            if (error != std::errc() || stop != end || number < least || number > most) {
              return Bad(text, fmt::format("a whole number from {} to {}", least, most));
            }
            settings.*field = static_cast<Integer>(number);
            return base::OkStatus();
          },
          [field](const Settings& settings) { return Values{std::to_string(settings.*field)}; }};
}

Setting OnOff(std::string_view name, std::string_view help, bool Settings::*field) {
  return {name,
          kOnOff,
          help,
          false,
          [field](Settings& settings, const Values& values) {
            if (values.front() != "on" && values.front() != "off") {
              return Bad(values.front(), "'on' or 'off'");
            }
            settings.*field = values.front() == "on";
            return base::OkStatus();
          },
          [field](const Settings& settings) { return Values{settings.*field ? "on" : "off"}; }};
}

Setting OneOf(std::string_view name, std::string_view help, std::string Settings::*field,
              Values choices) {
  return {name,
          "NAME",
          help,
          false,
          [field, choices = std::move(choices)](Settings& settings, const Values& values) {
            if (std::find(choices.begin(), choices.end(), values.front()) == choices.end()) {
              return Bad(values.front(), fmt::format("one of: {}", fmt::join(choices, ", ")));
            }
            settings.*field = values.front();
            return base::OkStatus();
          },
          [field](const Settings& settings) { return Values{settings.*field}; }};
}

Setting Roles() {
  return {"role",
          "ROLE",
          "what this process is: admin, portal, kv-replica; default all three",
          true,
          [](Settings& settings, const Values& values) {
            for (const std::string& value : values) {
              if (value != "admin" && value != "portal" && value != "kv-replica") {
                return Bad(value, "a role (admin, portal, kv-replica)");
              }
            }
            settings.role = values;
            return base::OkStatus();
          },
          [](const Settings& settings) { return settings.role; }};
}

}  // namespace

const std::vector<Setting>& SettingTable() {
  static const std::vector<Setting> table = {
      Roles(),
      Address("listen", "where the portals serve gRPC", &Settings::listen),
      Number("min-length", "N", "shortest key or name accepted, in characters",
             &Settings::min_length, 1, 256),
      OnOff("reflection", "whether gRPC clients may ask for the services' descriptions",
            &Settings::reflection),
      Addresses("kv", "endpoints of the store to use from elsewhere: our replicas, or etcd",
                &Settings::kv),
      Address("kv-listen", "where the replica serves the etcd v3 API", &Settings::kv_listen),
      Text("data", "DIR", "the replica's data", &Settings::data),
      OptionalAddress("raft-listen",
                      "where the other replicas reach this one; empty: it is the only one",
                      &Settings::raft_listen),
      Peers(),
      OptionalText("name", "NAME", "what this replica is called; empty: its raft-listen",
                   &Settings::name),
      OnOff("join", "whether this replica has been added to a cluster that runs already",
            &Settings::join),
      OnOff("rebuild",
            "discard this replica's data and have it anew from the others (--peer), as a new "
            "member in the place of the old one: for one start",
            &Settings::rebuild),
      Number("raft-log-entries", "N",
             "entries of the log kept for replicas that are a little behind",
             &Settings::raft_log_entries, 1, int64_t{1} << 40),
      Number("raft-log-bytes", "BYTES",
             "size of the log from which on a replica that is behind gets a snapshot instead",
             &Settings::raft_log_bytes, 1 << 20, int64_t{1} << 50),
      OneOf("auto-compaction-mode",
            "whether auto-compaction-retention is a time (periodic) or a number of revisions "
            "(revision)",
            &Settings::auto_compaction_mode, {"periodic", "revision"}),
      Text("auto-compaction-retention", "TIME|N",
           "how much history stays readable, such as 1h, 30m or 100000 revisions; 0: all of it",
           &Settings::auto_compaction_retention),
      Number("quota-bytes", "BYTES", "size of the store at which it takes no more writes",
             &Settings::quota_bytes, 1 << 20, std::numeric_limits<int64_t>::max()),
      Broker(),
      OnOff("mqtt-ingest", "whether changes that strangers ask for on the bus are applied",
            &Settings::mqtt_ingest),
      OptionalFile("mqtt-ca", "authorities to trust for mqtts; none: the system's",
                   &Settings::mqtt_ca),
      OptionalFile("mqtt-certificate", "our certificate for mqtts, if the broker wants one",
                   &Settings::mqtt_certificate),
      OptionalFile("mqtt-key", "the private key of mqtt-certificate", &Settings::mqtt_key),
      OnOff("cache", "whether a portal keeps records of a store elsewhere in memory",
            &Settings::cache),
      OptionalAddress("metrics-listen",
                      "where /metrics, /livez and /readyz are served over HTTP; empty: nowhere",
                      &Settings::metrics_listen),
      Number("drain-ms", "MS",
             "how long a stopping process says that it is before it closes its ports",
             &Settings::drain_ms, 0, 600'000),
      Number("slow-request-ms", "MS", "calls and changes that take longer are logged; 0: none",
             &Settings::slow_request_ms, 0, 3'600'000),
      OneOf("log-level", "least level of the lines written: debug, info, warning, error",
            &Settings::log_level, {"debug", "info", "warning", "error"}),
      OneOf("log-format", "how lines are written: text (key=value) or json", &Settings::log_format,
            {"text", "json"}),
  };
  return table;
}

namespace {

bool IsWildcard(const std::string& address) {
  return address.starts_with("0.0.0.0:") || address.starts_with("[::]:");
}

Status CheckCluster(const Settings& settings) {
  const bool alone = settings.raft_listen.empty();
  const bool joins = settings.join || settings.rebuild;
  if (alone && (!settings.peer.empty() || joins || !settings.name.empty())) {
    return {Code::kInvalidArgument,
            "--peer, --name, --join and --rebuild are for a replica among others: --raft-listen is "
            "missing"};
  }
  if (alone) return base::OkStatus();
  if (!settings.HasRole("kv-replica")) {
    return {Code::kInvalidArgument, "--raft-listen is for the role kv-replica alone"};
  }
  if (joins && settings.peer.empty()) {
    return {Code::kInvalidArgument,
            "--join and --rebuild need --peer: which replicas run already?"};
  }
  size_t named = 0;
  bool self = false;
  for (const std::string& text : settings.peer) {
    const Peer peer = PeerOf(text);
    if (!peer.name.empty()) ++named;
    self = self || (!peer.name.empty() && peer.name == settings.name);
  }
  if (!joins && named > 0 && (named < settings.peer.size() || settings.name.empty())) {
    return {Code::kInvalidArgument,
            "--peer: either all have names (NAME=HOST:PORT) and --name says this one's, or none"};
  }
  if (!joins && named == 0 && !settings.peer.empty() && !settings.name.empty()) {
    return {Code::kInvalidArgument, "--name is given, so every --peer needs one: NAME=HOST:PORT"};
  }
  if (IsWildcard(settings.raft_listen) && !self) {
    return {Code::kInvalidArgument,
            "--raft-listen is no address that others could reach: say this replica's own as "
            "--peer NAME=HOST:PORT, with its --name"};
  }
  return base::OkStatus();
}

}  // namespace

Peer PeerOf(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return {"", text};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

Status CheckTogether(const Settings& settings) {
  if (settings.role.empty()) return {Code::kInvalidArgument, "role: at least one is needed"};
  const bool has_replica = settings.HasRole("kv-replica");
  if (!has_replica && settings.kv.empty()) {
    return {Code::kInvalidArgument,
            "without the role kv-replica, --kv must say where the store is"};
  }
  if (has_replica && !settings.kv.empty()) {
    return {Code::kInvalidArgument,
            "--kv names a store elsewhere, but the role kv-replica brings its own: drop one"};
  }
  return CheckCluster(settings);
}

}  // namespace matricula::roles
