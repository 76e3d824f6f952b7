#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/log.h"

// Where the lines of the log (log.h) go, and in what form.
namespace matricula::base::log {

enum class Format { kText, kJson };

struct Sink {
  Format format = Format::kText;
  // Lines go to systemd's journal: it knows the time itself, and takes the level from a prefix
  // (sd-daemon(3)).
  bool journal = false;
};

// Until then, text. To be called while nobody writes.
void SetSink(const Sink& sink);
// Whether descriptor 2 is the stream to the journal that the environment's JOURNAL_STREAM names
// (systemd.exec(5)); `stream` may be empty.
bool IsJournal(std::string_view stream);

// One line, with its end. In JSON, values that are numbers or truth values are written as such.
std::string Render(const Sink& sink, int64_t wall_ms, Level level, std::string_view event,
                   Fields fields);

}  // namespace matricula::base::log
