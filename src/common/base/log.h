#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

// One line per event, for operators: `2026-01-31T12:00:00.000Z info store.opened keys=12 ms=3`.
// Event names are `module.what_happened`; values with blanks are quoted. Nothing personal (no
// student's name) above debug.
namespace matricula::base::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// One key=value of a line; takes anything that fmt can print.
struct Field {
  template <class T>
  Field(std::string_view name, const T& value) : key(name), text(fmt::format("{}", value)) {}

  std::string_view key;
  std::string text;
};

using Fields = std::initializer_list<Field>;

// Lines below this level are not written. Default: info.
void SetLevel(Level level);
bool Enabled(Level level);

void Write(Level level, std::string_view event, Fields fields);

inline void Debug(std::string_view event, Fields fields = {}) {
  if (Enabled(Level::kDebug)) Write(Level::kDebug, event, fields);
}
inline void Info(std::string_view event, Fields fields = {}) { Write(Level::kInfo, event, fields); }
inline void Warning(std::string_view event, Fields fields = {}) {
  Write(Level::kWarning, event, fields);
}
inline void Error(std::string_view event, Fields fields = {}) {
  Write(Level::kError, event, fields);
}

}  // namespace matricula::base::log
