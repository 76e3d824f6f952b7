#include "roles/kv_replica/auto_compaction.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "common/base/log.h"

namespace matricula::roles {

using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kLongestMs = 100LL * 365 * 24 * kHourMs;  // a hundred years
// How finely a time of retention is kept, and how often a number of revisions is looked at.
constexpr int64_t kSteps = 10;
constexpr int64_t kShortestIntervalMs = 100;
constexpr int64_t kRevisionIntervalMs = 300'000;

Status Bad(std::string_view text, std::string_view expected) {
  return {Code::kInvalidArgument,
          "auto-compaction-retention: '" + std::string(text) + "' is not " + std::string(expected)};
}

// Takes a whole number off the front.
std::optional<int64_t> TakeNumber(std::string_view& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || text.front() == '-') {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

std::optional<int64_t> TakeUnitMs(std::string_view& text) {
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"ms", 1}, {"h", kHourMs}, {"m", 60'000}, {"s", 1'000}};
  for (const auto& [name, ms] : kUnits) {
    if (text.substr(0, name.size()) == name) {
      text.remove_prefix(name.size());
      return ms;
    }
  }
  return std::nullopt;
}

std::optional<int64_t> ParseTimeMs(std::string_view text) {
  int64_t sum_ms = 0;
  const bool bare = text.find_first_not_of("0123456789") == std::string_view::npos;
  do {
    const auto number = text.empty() ? std::nullopt : TakeNumber(text);
    const auto unit_ms = bare ? kHourMs : TakeUnitMs(text);
    if (!number || !unit_ms || *number > kLongestMs / *unit_ms) {
      return std::nullopt;
    }
    sum_ms += *number * *unit_ms;
  } while (!text.empty());
  return sum_ms <= kLongestMs ? std::optional(sum_ms) : std::nullopt;
}

}  // namespace

Result<Retention> ParseRetention(std::string_view mode, std::string_view text) {
  Retention retention;
  if (mode == "periodic") {
    const auto time_ms = ParseTimeMs(text);
    if (!time_ms) {
      return Bad(text, "a time such as 1h, 30m or 0");
    }
    retention.time_ms = *time_ms;
    return retention;
  }
  std::string_view rest = text;
  const auto revisions = rest.empty() ? std::nullopt : TakeNumber(rest);
  if (!revisions || !rest.empty()) {
    return Bad(text, "a number of revisions");
  }
  retention.revisions = *revisions;
  return retention;
}

int64_t CompactionSchedule::interval_ms() const {
  if (retention_.revisions > 0) {
    return kRevisionIntervalMs;
  }
  return std::max(kShortestIntervalMs, retention_.time_ms / kSteps);
}

std::optional<int64_t> CompactionSchedule::Observe(int64_t now_ms, int64_t revision) {
  const auto target = OldEnough(now_ms, revision);
  if (!target || *target <= compacted_) {
    return std::nullopt;
  }
  compacted_ = *target;
  return target;
}

std::optional<int64_t> CompactionSchedule::OldEnough(int64_t now_ms, int64_t revision) {
  if (retention_.revisions > 0) {
    const int64_t target = revision - retention_.revisions;
    return target > 0 ? std::optional(target) : std::nullopt;
  }
  if (retention_.time_ms == 0) {
    return std::nullopt;
  }
  seen_.emplace_back(now_ms, revision);
  std::optional<int64_t> target;
  while (!seen_.empty() && seen_.front().first <= now_ms - retention_.time_ms) {
    target = seen_.front().second;
    seen_.pop_front();
  }
  return target;
}

AutoCompaction::AutoCompaction(store::ReplicaStore& store, const Retention& retention,
                               const base::Clock& clock)
    : store_(store), clock_(clock), schedule_(retention) {
  if (retention != Retention()) {
    thread_ = std::thread([this] { Run(); });
  }
}

AutoCompaction::~AutoCompaction() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    stop_.NotifyOne();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void AutoCompaction::Run() {
  const auto interval = std::chrono::milliseconds(schedule_.interval_ms());
  while (true) {
    const auto target = schedule_.Observe(clock_.MonotonicMs(), store_.GetNumbers().revision);
    if (target && store_.leader() == store_.member_id()) {
      Compact(*target);
    }
    const int64_t until_ns = clock_.MonotonicNs() + std::chrono::nanoseconds(interval).count();
    base::MutexLock lock(mutex_);
    while (!stopping_ && clock_.MonotonicNs() < until_ns) {
      stop_.WaitFor(mutex_, std::chrono::nanoseconds(until_ns - clock_.MonotonicNs()));
    }
    if (stopping_) {
      return;
    }
  }
}

void AutoCompaction::Compact(int64_t revision) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  store_.Compact(request, [revision](const base::Result<etcdserverpb::CompactionResponse>& result) {
    // OutOfRange: somebody else has compacted already, which is as good.
    if (result.ok()) {
      base::log::Info("compaction.done", {{"revision", revision}});
    } else if (result.status().code() != Code::kOutOfRange) {
      base::log::Warning("compaction.failed", {{"reason", result.status().ToString()}});
    }
  });
}

}  // namespace matricula::roles
