#include "test/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace matricula::sim {
namespace {

constexpr uint64_t kFnvPrime = 0x100000001b3;

}  // namespace

void World::At(int64_t time_ns, Event event) {
  queue_.push_back({std::max(time_ns, now_ns_), planned_++, std::move(event)});
  std::push_heap(queue_.begin(), queue_.end(), Later());
}

void World::RunOne() {
  std::pop_heap(queue_.begin(), queue_.end(), Later());
  Planned next = std::move(queue_.back());
  queue_.pop_back();
  now_ns_ = next.time_ns;
  ++events_;
  std::move(next.event)();
}

void World::RunUntil(int64_t time_ns) {
  (void)RunUntil(time_ns, [] { return false; });
}

bool World::RunUntil(int64_t time_ns, absl::AnyInvocable<bool()> done) {
  while (!failure_ && !queue_.empty() && queue_.front().time_ns <= time_ns) {
    if (done()) return true;
    RunOne();
  }
  if (failure_) return false;
  if (done()) return true;
  now_ns_ = std::max(now_ns_, time_ns);
  return false;
}

void World::Trace(std::string_view what, uint64_t a, uint64_t b, uint64_t c) {
  uint64_t hash = trace_hash_;
  for (const char letter : what) hash = (hash ^ static_cast<unsigned char>(letter)) * kFnvPrime;
  for (const uint64_t number : {static_cast<uint64_t>(now_ns_), a, b, c}) {
    hash = (hash ^ number) * kFnvPrime;
    hash ^= hash >> 29;
  }
  trace_hash_ = hash;
  if (verbose_) Say(fmt::format("{} {} {} {}", what, a, b, c));
}

void World::Say(const std::string& text) {
  if (!verbose_) return;
  fmt::print("{:12.6f} {}\n", static_cast<double>(now_ns_) / kSecond, text);
  std::fflush(stdout);  // the next thing may be the end
}

void World::Fail(std::string what) {
  if (failure_) return;
  failure_ = fmt::format("at {:.6f} s: {}", static_cast<double>(now_ns_) / kSecond, what);
}

}  // namespace matricula::sim
