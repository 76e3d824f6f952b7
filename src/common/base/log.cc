#include "common/base/log.h"

#include <unistd.h>

#include <atomic>
#include <ctime>

#include "common/base/clock.h"

namespace matricula::base::log {
namespace {

std::atomic<Level> level_shown{Level::kInfo};

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "?";
}

std::string Timestamp() {
  const int64_t wall_ms = SystemClock().WallMs();
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     wall_ms % 1000);
}

// A value stays bare if nobody could misread it; otherwise it is quoted and escaped, so that a
// line is always one line.
void AppendValue(std::string& line, std::string_view text) {
  const bool bare = !text.empty() && text.find_first_of(" \"=\\\n\r\t") == std::string_view::npos;
  if (bare) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      continue;
    }
    if (c == '"' || c == '\\') line += '\\';
    line += c;
  }
  line += '"';
}

}  // namespace

void SetLevel(Level level) { level_shown = level; }

bool Enabled(Level level) { return level >= level_shown.load(std::memory_order_relaxed); }

void Write(Level level, std::string_view event, Fields fields) {
  if (!Enabled(level)) return;
  std::string line = fmt::format("{} {} {}", Timestamp(), LevelName(level), event);
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendValue(line, field.text);
  }
  line += '\n';
  // One write() per line, so that lines of several threads do not mix. If stderr is gone, there
  // is nobody left to tell.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace matricula::base::log
