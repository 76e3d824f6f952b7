#pragma once

#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include "bench/day/client.h"
#include "bench/day/progress.h"
#include "common/base/clock.h"

namespace matricula::day {

// Calls start(0) … start(count - 1), each of which begins one request of the client's, as fast as
// the client has room; returns when all are answered, or false when the servers have gone silent
// and the rest was not begun. `what` names them in the progress line.
template <class Start>
[[nodiscard]] bool Pump(size_t count, std::string_view what, Client& client,
                        const base::Clock& clock, Progress& progress, Start&& start) {
  constexpr int64_t kIdleNs = 100'000'000;
  const auto line = [&](size_t begun) {
    return fmt::format("{}: {} de {}", what, begun - client.under_way(), count);
  };
  size_t next = 0;
  bool deaf = false;
  while ((next < count && !deaf) || client.under_way() > 0) {
    while (next < count && !deaf && !client.Full()) start(next++);
    client.Poll(clock.MonotonicNs() + kIdleNs);
    deaf = deaf || client.Deaf();
    progress.Update([&] { return line(next); });
  }
  progress.Done(line(next));
  return !deaf;
}

}  // namespace matricula::day
