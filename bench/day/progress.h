#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.h"

namespace matricula::day {

// Where a long run stands, on standard error: one line that is written over on a terminal, a line
// every few seconds anywhere else.
class Progress {
 public:
  static constexpr int64_t kTerminalPeriodMs = 200;
  static constexpr int64_t kLinePeriodMs = 5'000;

  explicit Progress(const base::Clock& clock);
  // Shows what `line()` returns, if it is time to.
  template <class Line>
  void Update(Line&& line) {
    if (IsTime()) Show(line());
  }
  // The last word on a phase, with a line of its own.
  void Done(const std::string& line);
  // Says nothing from now on.
  void Silence() { silent_ = true; }

 private:
  int64_t NextMs() const;
  bool IsTime();
  void Show(const std::string& line);

  const base::Clock& clock_;
  const bool terminal_;
  bool silent_ = false;
  int64_t next_ms_;
};

}  // namespace matricula::day
