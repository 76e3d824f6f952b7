#include "roles/ctl/progress.h"

#include <algorithm>

#include <fmt/format.h>

#include "roles/ctl/utf8.h"

namespace matricula::ctl {
namespace {

constexpr int64_t kBetweenDrawingsMs = 100;
constexpr int kBarCells = 20;
constexpr std::string_view kEraseLine = "\r\x1b[K";

std::string Bar(int64_t done, int64_t all) {
  const int filled = static_cast<int>(kBarCells * done / std::max<int64_t>(all, 1));
  std::string bar;
  for (int i = 0; i < kBarCells; ++i) bar += i < filled ? "█" : "░";
  return bar;
}

}  // namespace

Progress::Progress(const Console& console, const base::Clock& clock, std::string_view name)
    : console_(console), clock_(clock), name_(Printable(name)), start_ms_(clock.MonotonicMs()) {}

void Progress::Update(int64_t lines, int64_t done_bytes, std::optional<int64_t> all_bytes) {
  if (!IsDue()) return;
  std::string text = name_;
  if (all_bytes) {
    text += fmt::format("  {}  {}%", Bar(done_bytes, *all_bytes),
                        100 * done_bytes / std::max<int64_t>(*all_bytes, 1));
  }
  const int64_t rate = lines * 1000 / std::max<int64_t>(drawn_ms_ - start_ms_, 1);
  text += fmt::format("  {} linhas  {}/s", WithThousands(lines), WithThousands(rate));
  Draw(text);
}

void Progress::UpdateBytes(int64_t done_bytes, int64_t all_bytes) {
  if (!IsDue()) return;
  Draw(fmt::format("{}  {}  {}%  {} KiB", name_, Bar(done_bytes, all_bytes),
                   100 * done_bytes / std::max<int64_t>(all_bytes, 1),
                   WithThousands(done_bytes >> 10)));
}

bool Progress::IsDue() {
  if (!console_.err_is_terminal) return false;
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms - drawn_ms_ < kBetweenDrawingsMs) return false;
  drawn_ms_ = now_ms;
  return true;
}

void Progress::Draw(const std::string& text) {
  visible_ = true;
  console_.err << kEraseLine << text << std::flush;
}

void Progress::Clear() {
  if (!visible_) return;
  console_.err << kEraseLine << std::flush;
  visible_ = false;
}

std::string WithThousands(int64_t number) {
  std::string text = std::to_string(number);
  for (int i = static_cast<int>(text.size()) - 3; i > 0; i -= 3) text.insert(i, ".");
  return text;
}

}  // namespace matricula::ctl
