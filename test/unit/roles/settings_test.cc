#include "roles/settings.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "roles/setting_table.h"

namespace matricula::roles {
namespace {

using Environment = std::map<std::string, std::string>;

base::Result<Invocation> Parse(std::vector<const char*> arguments,
                               const Environment& environment = {}) {
  arguments.insert(arguments.begin(), "matriculad");
  return ParseInvocation(static_cast<int>(arguments.size()), arguments.data(), environment);
}

// A configuration file that is gone when the test is.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    const int descriptor = mkstemp(path_);
    REQUIRE(descriptor >= 0);
    std::ofstream(path_) << text;
    close(descriptor);
  }
  ~ConfigFile() { unlink(path_); }
  const char* path() const { return path_; }

 private:
  char path_[32] = "/tmp/matricula-config-XXXXXX";
};

std::string ErrorOf(const base::Result<Invocation>& result) { return result.status().message(); }

}  // namespace

TEST_CASE("without arguments one process plays all roles on loopback") {
  const auto parsed = Parse({});
  REQUIRE(parsed.ok());
  const Settings& settings = parsed->settings;
  CHECK(settings.role == std::vector<std::string>{"admin", "portal", "kv-replica"});
  CHECK(settings.listen == "127.0.0.1:50051");
  CHECK(settings.kv_listen == "127.0.0.1:2379");
  CHECK(settings.data == "./matricula-data");
  CHECK(settings.min_length == 4);
}

TEST_CASE("flags beat environment beats file beats default") {
  const ConfigFile file("min-length = 5\nlisten = \"0.0.0.0:1\"\ndata = \"/from/file\"\n");
  const Environment environment = {{"MATRICULAD_LISTEN", "0.0.0.0:2"},
                                   {"MATRICULAD_MIN_LENGTH", "6"}};
  const auto parsed = Parse({"--config", file.path(), "--min-length", "7"}, environment);
  REQUIRE(parsed.ok());
  CHECK(parsed->settings.min_length == 7);
  CHECK(parsed->settings.listen == "0.0.0.0:2");
  CHECK(parsed->settings.data == "/from/file");
  CHECK(parsed->origins.at("min-length") == "flag");
  CHECK(parsed->origins.at("listen") == "environment");
  CHECK(parsed->origins.at("data") == "file");
  CHECK(parsed->origins.at("kv-listen") == "default");
}

TEST_CASE("lists may be repeated or separated by commas") {
  const auto parsed = Parse({"--role", "admin, portal", "--kv", "a:1,b:2", "--kv", "c:3"});
  REQUIRE(parsed.ok());
  CHECK(parsed->settings.role == std::vector<std::string>{"admin", "portal"});
  CHECK(parsed->settings.kv == std::vector<std::string>{"a:1", "b:2", "c:3"});
}

TEST_CASE("an unknown key in the file is an error that names file and key") {
  const ConfigFile file("listne = \"0.0.0.0:1\"\n");
  const std::string error = ErrorOf(Parse({"--config", file.path()}));
  CHECK(error == std::string(file.path()) + ":1: unknown key listne");
}

TEST_CASE("a bad value is one sentence that names where it stands") {
  CHECK(ErrorOf(Parse({"--listen", "nowhere"})) ==
        "--listen: 'nowhere' is not an address HOST:PORT");
  CHECK(ErrorOf(Parse({"--min-length", "0"})) ==
        "--min-length: '0' is not a whole number from 1 to 256");
  CHECK(ErrorOf(Parse({"--role", "dean"})) ==
        "--role: 'dean' is not a role (admin, portal, kv-replica)");
  CHECK(ErrorOf(Parse({}, {{"MATRICULAD_REFLECTION", "yes"}})) ==
        "MATRICULAD_REFLECTION: 'yes' is not 'on' or 'off'");
  CHECK(ErrorOf(Parse({"--config", "/no/such/file"})) == "--config: cannot read /no/such/file");
  CHECK_FALSE(Parse({"--lisen", "a:1"}).ok());
  CHECK_FALSE(Parse({"--listen", "a:1", "--listen", "b:1"}).ok());
}

TEST_CASE("settings that contradict each other are refused") {
  CHECK(ErrorOf(Parse({"--role", "portal"})) ==
        "without the role kv-replica, --kv must say where the store is");
  CHECK_FALSE(Parse({"--kv", "127.0.0.1:2379"}).ok());
}

TEST_CASE("what is printed can be read back as a file") {
  const auto first = Parse({"--min-length", "9", "--role", "portal", "--kv", "a:1,b:2"});
  REQUIRE(first.ok());
  const ConfigFile file(RenderSettings(*first));
  const auto second = Parse({"--config", file.path()});
  INFO(ErrorOf(second));
  REQUIRE(second.ok());
  CHECK(second->settings.min_length == 9);
  CHECK(second->settings.kv == std::vector<std::string>{"a:1", "b:2"});
}

TEST_CASE("data is discarded by a flag alone, which counts for one start") {
  const auto flag = Parse({"--raft-listen", "a:1", "--peer", "b:1", "--rebuild"});
  INFO(ErrorOf(flag));
  REQUIRE(flag.ok());
  CHECK(flag->settings.rebuild);
  const ConfigFile file("raft-listen = a:1\npeer = b:1\nrebuild = on\n");
  CHECK(ErrorOf(Parse({"--config", file.path()})).find("as a flag only") != std::string::npos);
  CHECK_FALSE(Parse({"--rebuild"}).ok());
}

TEST_CASE("what is printed shows no password of the broker") {
  for (const auto& [given, shown] : std::vector<std::pair<std::string, std::string>>{
           {"mqtts://ana:s%3Ag@broker:99", "mqtts://ana:***@broker:99"},
           {"mqtt://ana@[::1]:99", "mqtt://ana@[::1]:99"},
           {"mqtt://broker", "mqtt://broker"},
           {"off", "off"}}) {
    const auto parsed = Parse({"--mqtt", given.c_str()});
    REQUIRE(parsed.ok());
    CHECK(parsed->settings.mqtt == given);
    CHECK(RenderSettings(*parsed).find("mqtt = \"" + shown + "\"") != std::string::npos);
  }
}

TEST_CASE("every sample in config is accepted") {
  int samples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MATRICULA_CONFIG_DIR)) {
    if (entry.path().extension() != ".conf" || entry.path().stem() == "mosquitto") continue;
    const auto parsed = Parse({"--config", entry.path().c_str()});
    INFO(ErrorOf(parsed));
    CHECK(parsed.ok());
    ++samples;
  }
  CHECK(samples >= 4);
}

// A sample that shows another default than the program's would mislead.
TEST_CASE("what a sample has commented out is the default") {
  const auto defaults = Parse({});
  REQUIRE(defaults.ok());
  std::ifstream sample(MATRICULA_CONFIG_DIR "/matriculad.conf");
  std::string uncommented;
  for (std::string line; std::getline(sample, line);) {
    const bool is_setting = line.starts_with("# ") && line.find(" = \"") != std::string::npos;
    const bool is_number = line.starts_with("# ") && line.find(" = ") != std::string::npos;
    if (is_setting || is_number) uncommented += line.substr(2) + "\n";
  }
  const ConfigFile file(uncommented);
  const auto parsed = Parse({"--config", file.path()});
  INFO(ErrorOf(parsed));
  REQUIRE(parsed.ok());
  for (const auto& [name, origin] : parsed->origins) {
    if (name == "kv") continue;       // has no default that a file could say
    if (name == "rebuild") continue;  // belongs to no file
    INFO(name);
    CHECK(origin == "file");
  }
  const auto values_of = [](Invocation invocation) {
    for (auto& [name, origin] : invocation.origins) origin = "";
    return RenderSettings(invocation);
  };
  CHECK(values_of(*parsed) == values_of(*defaults));
}

// Whoever sets up a role must find in its sample everything that there is to set, and nothing else.
TEST_CASE("a sample has every setting that its role knows") {
  const std::set<std::string> of_replicas = {"kv-listen",
                                             "data",
                                             "raft-listen",
                                             "peer",
                                             "name",
                                             "join",
                                             "raft-log-entries",
                                             "raft-log-bytes",
                                             "auto-compaction-mode",
                                             "auto-compaction-retention",
                                             "quota-bytes"};
  const std::set<std::string> of_portals = {"listen", "min-length", "kv", "mqtt-ingest", "cache"};
  const std::map<std::string, std::set<std::string>> missing = {{"matriculad", {"kv"}},
                                                                {"admin", of_replicas},
                                                                {"portal", of_replicas},
                                                                {"kv-replica", of_portals}};
  for (const auto& [sample, without] : missing) {
    std::ifstream file(std::string(MATRICULA_CONFIG_DIR "/") + sample + ".conf");
    std::set<std::string> found;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("# ")) line = line.substr(2);
      const size_t end = line.find(" = ");
      if (end != std::string::npos) found.insert(line.substr(0, end));
    }
    for (const Setting& setting : SettingTable()) {
      INFO(sample << ": " << setting.name);
      const std::string name(setting.name);
      if (name == "rebuild") continue;  // belongs to no file
      CHECK(found.contains(name) != without.contains(name));
    }
  }
}

}  // namespace matricula::roles
