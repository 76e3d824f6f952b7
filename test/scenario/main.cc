// Runs every story of a folder and compares what it prints with what its file expects.
//   scenario_test [--rewrite] FOLDER [NAME]
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "test/scenario/runner.h"

namespace matricula::raft::testing {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The text with what the story prints now in place of what it was expected to print.
std::string Retell(const std::string& text) {
  Story story;
  std::string told;
  std::string commands;
  std::istringstream lines(text);
  bool expected = false;
  for (std::string line; std::getline(lines, line);) {
    if (expected) {
      expected = !line.empty();
      if (!expected) told += "\n";
    } else if (line == "----") {
      const std::string printed = story.Run(commands);
      commands.clear();
      told += line + "\n" + (printed.empty() ? "(nothing)\n" : printed);
      expected = true;
    } else {
      told += line + "\n";
      if (!line.empty() && line[0] != '#') commands += line + "\n";
    }
  }
  return told;
}

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void ShowFirstDifference(const std::string& expected, const std::string& told) {
  const std::vector<std::string> a = Lines(expected);
  const std::vector<std::string> b = Lines(told);
  const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  std::cerr << "  line " << (at_a - a.begin() + 1)
            << "\n  expected: " << (at_a == a.end() ? "the end" : *at_a)
            << "\n  now:      " << (at_b == b.end() ? "the end" : *at_b) << "\n";
}

int Main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool rewrite = !arguments.empty() && arguments[0] == "--rewrite";
  if (rewrite) arguments.erase(arguments.begin());
  if (arguments.empty()) {
    std::cerr << "usage: scenario_test [--rewrite] FOLDER [NAME]\n";
    return 2;
  }
  int stories = 0;
  int different = 0;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[0])) {
    if (arguments.size() > 1 && entry.path().stem() != arguments[1]) continue;
    ++stories;
    const std::string expected = ReadFile(entry.path());
    const std::string told = Retell(expected);
    if (told == expected) continue;
    ++different;
    std::cerr << (rewrite ? "rewritten: " : "different: ") << entry.path().filename() << "\n";
    if (rewrite) {
      std::ofstream(entry.path()) << told;
    } else {
      ShowFirstDifference(expected, told);
    }
  }
  std::cout << stories << " stories, " << different << " different\n";
  return stories == 0 || (different > 0 && !rewrite) ? 1 : 0;
}

}  // namespace
}  // namespace matricula::raft::testing

int main(int argc, char** argv) { return matricula::raft::testing::Main(argc, argv); }
