#include <catch2/catch.hpp>

#include <atomic>
#include <future>
#include <vector>

#include "common/base/mutex.h"
#include "common/domain/timer.h"

namespace matricula::domain {
namespace {

TEST_CASE("a timer calls in the order of the due times, not before them") {
  const base::Clock& clock = base::SystemClock();
  ThreadTimer timer(clock);
  const int64_t start_ms = clock.MonotonicMs();
  std::vector<int> order;
  std::promise<int64_t> last;
  timer.After(30, [&] {
    order.push_back(30);
    last.set_value(clock.MonotonicMs());
  });
  timer.After(10, [&] { order.push_back(10); });
  timer.After(0, [&] { order.push_back(0); });
  CHECK(last.get_future().get() - start_ms >= 29);
  CHECK(order == std::vector<int>{0, 10, 30});
}

TEST_CASE("a closed timer calls at once, and so it does for calls from its calls") {
  ThreadTimer timer(base::SystemClock());
  std::promise<void> first;
  std::promise<void> second;
  timer.After(3'600'000, [&] {
    first.set_value();
    timer.After(3'600'000, [&] { second.set_value(); });
  });
  timer.Close();
  first.get_future().get();
  second.get_future().get();
}

TEST_CASE("a timer that is destroyed has made all its calls") {
  std::atomic<int> calls = 0;
  {
    ThreadTimer timer(base::SystemClock());
    for (int i = 0; i < 100; ++i) timer.After(3'600'000 + i, [&] { ++calls; });
  }
  CHECK(calls == 100);
}

}  // namespace
}  // namespace matricula::domain
