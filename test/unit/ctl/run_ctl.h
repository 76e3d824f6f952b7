#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "roles/ctl/ctl.h"
#include "test/unit/ctl/fake_portals.h"

// Whole runs of `matriculad ctl …`, and folders for their files.
namespace matricula::ctl {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

struct Outcome {
  ExitCode code;
  std::string out;
  std::string err;
};

inline Outcome Run(Words words, bool terminal = false) {
  std::ostringstream out;
  std::ostringstream err;
  const ExitCode code = RunCtl(words, {out, err, terminal});
  return {code, out.str(), err.str()};
}

inline Outcome RunOn(const FakePortals& fake, Words words) {
  words.insert(words.end(), {"--server", fake.address(), "--timeout", "5"});
  return Run(words);
}

inline std::vector<nlohmann::json> JsonLines(const std::string& text) {
  std::vector<nlohmann::json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

// A folder for one test.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "ctl_test.XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  std::string Write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return (path_ / name).string();
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(path_ / name, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

}  // namespace matricula::ctl
