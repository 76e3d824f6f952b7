#include "common/base/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <ctime>

#include "common/base/clock.h"
#include "common/base/log_sink.h"

namespace matricula::base::log {
namespace {

std::atomic<Level> level_shown{Level::kInfo};
std::atomic<Format> format_written{Format::kText};
std::atomic<bool> to_journal{false};

struct LevelText {
  std::string_view name;
  std::string_view priority;  // syslog(3)'s
};

LevelText TextOf(Level level) {
  switch (level) {
    case Level::kDebug:
      return {"debug", "<7>"};
    case Level::kInfo:
      return {"info", "<6>"};
    case Level::kWarning:
      return {"warning", "<4>"};
    case Level::kError:
      return {"error", "<3>"};
  }
  return {"?", "<3>"};
}

std::string Timestamp(int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     wall_ms % 1000);
}

// Between quotes, in a form that both JSON and the text form understand; a line stays one line.
void AppendQuoted(std::string& line, std::string_view text, std::string_view control_format) {
  line += '"';
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      line += fmt::format(fmt::runtime(control_format), static_cast<unsigned char>(c));
      continue;
    }
    if (c == '"' || c == '\\') line += '\\';
    line += c;
  }
  line += '"';
}

// A value stays bare if nobody could misread it.
void AppendText(std::string& line, std::string_view text) {
  const bool bare = !text.empty() && text.find_first_of(" \"=\\\n\r\t") == std::string_view::npos;
  bare ? void(line += text) : AppendQuoted(line, text, "\\x{:02x}");
}

bool IsBareJson(std::string_view text) {
  if (text == "true" || text == "false") return true;
  if (text.starts_with('-')) text.remove_prefix(1);
  // No leading zeros: those are identifiers.
  const bool whole = !text.empty() && text.size() < 16 &&
                     text.find_first_not_of("0123456789") == std::string_view::npos;
  return whole && (text == "0" || text.front() != '0');
}

void AppendJson(std::string& line, std::string_view key, std::string_view text) {
  line += line.back() == '{' ? "\"" : ",\"";
  line += key;
  line += "\":";
  IsBareJson(text) ? void(line += text) : AppendQuoted(line, text, "\\u{:04x}");
}

std::string RenderJson(const Sink& sink, int64_t wall_ms, Level level, std::string_view event,
                       Fields fields) {
  std::string line = "{";
  if (!sink.journal) AppendJson(line, "time", Timestamp(wall_ms));
  AppendJson(line, "level", TextOf(level).name);
  AppendJson(line, "event", event);
  for (const Field& field : fields) AppendJson(line, field.key, field.text);
  return line + "}";
}

std::string RenderText(const Sink& sink, int64_t wall_ms, Level level, std::string_view event,
                       Fields fields) {
  std::string line;
  if (!sink.journal) line = fmt::format("{} {} ", Timestamp(wall_ms), TextOf(level).name);
  line += event;
  for (const Field& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendText(line, field.text);
  }
  return line;
}

}  // namespace

void SetLevel(Level level) { level_shown = level; }

void SetSink(const Sink& sink) {
  format_written = sink.format;
  to_journal = sink.journal;
}

bool Enabled(Level level) { return level >= level_shown.load(std::memory_order_relaxed); }

bool IsJournal(std::string_view stream) {
  struct stat about {};
  return !stream.empty() && ::fstat(STDERR_FILENO, &about) == 0 &&
         stream == fmt::format("{}:{}", about.st_dev, about.st_ino);
}

std::string Render(const Sink& sink, int64_t wall_ms, Level level, std::string_view event,
                   Fields fields) {
  std::string line(sink.journal ? TextOf(level).priority : "");
  line += sink.format == Format::kJson ? RenderJson(sink, wall_ms, level, event, fields)
                                       : RenderText(sink, wall_ms, level, event, fields);
  return line + '\n';
}

void Write(Level level, std::string_view event, Fields fields) {
  if (!Enabled(level)) return;
  const std::string line =
      Render({format_written, to_journal}, SystemClock().WallMs(), level, event, fields);
  // One write() per line, so that lines of several threads do not mix. If stderr is gone, there
  // is nobody left to tell.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace matricula::base::log
