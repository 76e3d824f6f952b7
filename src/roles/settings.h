#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/status.h"

// What a process is told at its start. A value comes from a flag, else from the environment
// (MATRICULAD_…), else from the --config file, else it is the default that stands here.
namespace matricula::roles {

struct Settings {
  std::vector<std::string> role = {"admin", "portal", "kv-replica"};

  std::string listen = "127.0.0.1:50051";
  int min_length = 4;
  bool reflection = true;

  std::vector<std::string> kv;  // endpoints of a store elsewhere; empty: the one in this process
  std::string kv_listen = "127.0.0.1:2379";
  std::string data = "./matricula-data";
  std::string raft_listen;        // "": this replica is the only one
  std::vector<std::string> peer;  // the other replicas' raft_listen, [NAME=]HOST:PORT
  std::string name;               // of this replica; "": its raft_listen
  bool join = false;              // it has been added to a cluster that runs already
  bool rebuild = false;           // its data is to be discarded and had from the others anew
  int64_t raft_log_entries = 5'000;
  int64_t raft_log_bytes = int64_t{256} << 20;
  std::string auto_compaction_mode = "periodic";
  std::string auto_compaction_retention = "1h";
  int64_t quota_bytes = int64_t{2} << 30;

  std::string mqtt = "mqtt://127.0.0.1:1883";  // "off": no broker
  bool mqtt_ingest = true;
  std::string mqtt_ca;  // PEM files for mqtts
  std::string mqtt_certificate;
  std::string mqtt_key;
  bool cache = true;

  std::string metrics_listen;  // "": no metrics
  int drain_ms = 0;            // from "do not come" to closed ports
  int slow_request_ms = 500;   // 0: none is slow
  std::string log_level = "info";
  std::string log_format = "text";

  bool HasRole(const std::string& wanted) const;
};

// An item of Settings::peer; without a name, "".
struct Peer {
  std::string name;
  std::string address;
};
Peer PeerOf(const std::string& text);

// What the command line asks for besides running.
struct Invocation {
  Settings settings;
  std::map<std::string, std::string> origins;  // setting → "flag", "environment", "file", "default"
  bool check_config = false;
  bool print_config = false;
  std::optional<std::string> message;  // --help or --version: print this and exit 0
};

// Reads flags, environment and file. InvalidArgument: one sentence that says what is wrong.
base::Result<Invocation> ParseInvocation(int argc, const char* const* argv,
                                         const std::map<std::string, std::string>& environment);

// All settings in the file's own form, each with where it comes from.
std::string RenderSettings(const Invocation& invocation);

}  // namespace matricula::roles
