#include "bench/day/progress.h"

#include <unistd.h>

#include <cstdio>

namespace matricula::day {

Progress::Progress(const base::Clock& clock)
    : clock_(clock), terminal_(isatty(STDERR_FILENO) == 1) {}

bool Progress::IsTime() {
  const int64_t now_ms = clock_.MonotonicMs();
  if (silent_ || now_ms < next_ms_) return false;
  next_ms_ = now_ms + (terminal_ ? kTerminalPeriodMs : kLinePeriodMs);
  return true;
}

void Progress::Show(const std::string& line) {
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  std::fflush(stderr);
}

void Progress::Done(const std::string& line) {
  if (silent_) return;
  Show(line);
  if (terminal_) std::fputc('\n', stderr);
  next_ms_ = 0;
}

}  // namespace matricula::day
