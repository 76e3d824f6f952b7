#include "bench/day/progress.h"

#include <unistd.h>

#include <cstdio>

namespace matricula::day {

Progress::Progress(const base::Clock& clock)
    : clock_(clock), terminal_(isatty(STDERR_FILENO) == 1), next_ms_(NextMs()) {}

int64_t Progress::NextMs() const {
  return clock_.MonotonicMs() + (terminal_ ? kTerminalPeriodMs : kLinePeriodMs);
}

bool Progress::IsTime() {
  if (silent_ || clock_.MonotonicMs() < next_ms_) return false;
  next_ms_ = NextMs();
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
  next_ms_ = NextMs();
}

}  // namespace matricula::day
