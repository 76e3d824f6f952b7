// matricula_chaos_network: the network between the members of a cluster, which does on command what
// networks do. Commands come on standard input, one a line; each is answered by "ok" once it is in
// force. FROM and TO are members' numbers, or * for all.
//
//   link FROM TO open|hold|drop [DELAY_MS [JITTER_MS]]
//   reset ONE OTHER
//   heal
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "test/integration/chaos/network.h"

namespace matricula::chaos {
namespace {

std::vector<int> Meant(const Network& network, const std::string& word) {
  return word == "*" ? network.stations() : std::vector<int>{std::stoi(word)};
}

bool ParseMode(const std::string& word, Link::Mode& mode) {
  if (word == "open") mode = Link::Mode::kOpen;
  if (word == "hold") mode = Link::Mode::kHold;
  if (word == "drop") mode = Link::Mode::kDrop;
  return word == "open" || word == "hold" || word == "drop";
}

template <class Action>
void ForEachPair(const Network& network, const std::string& from, const std::string& to,
                 Action action) {
  for (const int one : Meant(network, from)) {
    for (const int other : Meant(network, to)) {
      if (one != other) action(one, other);
    }
  }
}

bool Obey(Network& network, const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string from = "*";
  std::string to = "*";
  words >> verb;
  if (verb == "heal") {
    ForEachPair(network, "*", "*", [&](int a, int b) { network.SetLink(a, b, {}); });
    return true;
  }
  words >> from >> to;
  if (verb == "reset") {
    ForEachPair(network, from, to, [&](int a, int b) { network.Reset(a, b); });
    return true;
  }
  std::string mode;
  Link link;
  words >> mode;
  if (verb != "link" || !ParseMode(mode, link.mode)) return false;
  words >> link.delay_ms >> link.jitter_ms;
  ForEachPair(network, from, to, [&](int a, int b) { network.SetLink(a, b, link); });
  return true;
}

int Main(int argc, char** argv) {
  std::vector<std::string> texts;
  uint64_t seed = 1;
  CLI::App app{"A network between processes, in the hands of whoever writes to standard input."};
  app.add_option("--member", texts, "NUMBER:PROXYPORT:PORT, once for each")->required();
  app.add_option("--seed", seed, "of the jitter");
  CLI11_PARSE(app, argc, argv);
  std::vector<Station> stations;
  for (const std::string& text : texts) {
    Station station;
    if (std::sscanf(text.c_str(), "%d:%d:%d", &station.number, &station.proxy_port,
                    &station.target_port) != 3) {
      fmt::print(stderr, "not NUMBER:PROXYPORT:PORT: {}\n", text);
      return 2;
    }
    stations.push_back(station);
  }
  Network network(stations, seed, base::SystemClock());
  std::string input;
  fmt::print("ok\n");
  std::fflush(stdout);
  while (true) {
    network.RelayUntilReadable(STDIN_FILENO);
    char bytes[4096];
    const ssize_t size = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (size <= 0) return 0;
    input.append(bytes, static_cast<size_t>(size));
    for (size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
      fmt::print("{}\n", Obey(network, input.substr(0, end)) ? "ok" : "what?");
      std::fflush(stdout);
      input.erase(0, end + 1);
    }
  }
}

}  // namespace
}  // namespace matricula::chaos

int main(int argc, char** argv) { return matricula::chaos::Main(argc, argv); }
