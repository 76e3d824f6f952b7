#include "test/integration/chaos/history.h"

#include <fmt/format.h>

namespace matricula::chaos {
namespace {

std::string Describe(const Pair& pair) {
  const std::string value = pair.value.value_or("(none)");
  return pair.mod_revision == 0 ? fmt::format(" {}={}", pair.key, value)
                                : fmt::format(" {}={}@{}", pair.key, value, pair.mod_revision);
}

std::string Describe(const char* title, const std::vector<Pair>& pairs) {
  if (pairs.empty()) return {};
  std::string text = title;
  for (const Pair& pair : pairs) text += Describe(pair);
  return text;
}

}  // namespace

std::string Describe(const Operation& operation) {
  std::string text =
      fmt::format("[{:.3f} .. {:.3f} ms] client {} at member {}:",
                  static_cast<double>(operation.start_ns) / 1e6,
                  static_cast<double>(operation.end_ns) / 1e6, operation.client, operation.member);
  if (operation.serializable) text += " serializable";
  text += Describe(" if", operation.conditions);
  text += Describe(" put", operation.writes);
  if (!operation.answered) return text + " -> unknown: " + operation.error;
  text += fmt::format(" -> revision {}{}", operation.revision, operation.succeeded ? ", done" : "");
  return text + Describe(", read", operation.reads);
}

std::string Describe(const Change& change) {
  return fmt::format("{}: {}={}", change.revision, change.key, change.value.value_or("(deleted)"));
}

}  // namespace matricula::chaos
