#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "roles/ctl/ctl.h"

namespace matricula::ctl {

// One line at the bottom of a terminal that says how far a long piece of work has got:
//   alunos.csv  ████████████░░░░░░░░  58%  11.640 linhas  4.210/s
// Where there is no terminal it does nothing.
class Progress {
 public:
  Progress(const Console& console, const base::Clock& clock, std::string_view name);
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done_bytes` of `all_bytes` (absent: unknown). Draws only as often as eyes can follow.
  void Update(int64_t lines, int64_t done_bytes, std::optional<int64_t> all_bytes);
  // The same, where bytes are all that there is to count.
  void UpdateBytes(int64_t done_bytes, int64_t all_bytes);
  // Takes the line away, for something else to be written.
  void Clear();

 private:
  // Whether it is time to draw again.
  bool IsDue();
  void Draw(const std::string& text);

  const Console& console_;
  const base::Clock& clock_;
  const std::string name_;
  const int64_t start_ms_;
  int64_t drawn_ms_ = INT64_MIN / 2;
  bool visible_ = false;
};

// 1234567 as 1.234.567
std::string WithThousands(int64_t number);

}  // namespace matricula::ctl
