#include "test/race/linearizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace matricula::race {
namespace {

// Of the first attempt; each further one may take twice as many.
constexpr int64_t kFirstSteps = 5'000;

// Smaller is tried earlier.
using Rank = std::tuple<bool, int, int64_t>;

bool Optional(const Event& event) { return event.result == Result::kUnknown; }

std::vector<Event> ByStart(History history) {
  std::stable_sort(history.begin(), history.end(),
                   [](const Event& a, const Event& b) { return a.start_ns < b.start_ns; });
  return history;
}

}  // namespace

Linearizer::Linearizer(const History& history, const ClassModel& initial)
    : events_(ByStart(history)),
      lookahead_(events_),
      initial_(initial),
      attempt_steps_(kFirstSteps) {
  for (size_t i = 0; i < events_.size(); ++i) {
    marks_.push_back(random_());
    if (!Optional(events_[i])) ++required_left_;
    removal_of_.push_back(FindRemoval(i));
  }
  placed_.resize(events_.size());
}

// The removal that the event frees the seat of; the event itself if it frees none.
size_t Linearizer::FindRemoval(size_t event) const {
  for (size_t i = 0; i < events_.size(); ++i) {
    if (IsSeatOf(events_[event], events_[i])) return i;
  }
  return event;
}

Verdict Linearizer::Check(int64_t steps) {
  const int64_t most_steps = steps_ + steps;
  for (; steps_ < most_steps; attempt_steps_ *= 2) {
    limit_ = steps_ + attempt_steps_;
    GuessOrder();
    if (Search(initial_, 0)) return Verdict::kYes;
    if (steps_ < limit_) return Verdict::kNo;
    Unplace(order_.size());
  }
  return Verdict::kUndecided;
}

// The order in which events are tried that promise equally much: by their end, which is nearer to
// the moment of their effect than their start; then, from attempt to attempt, by some moment
// between the two.
void Linearizer::GuessOrder() {
  guess_ns_.clear();
  for (const Event& event : events_) {
    const uint64_t length = event.end_ns == kNever ? 1 : event.end_ns - event.start_ns + 1;
    guess_ns_.push_back(event.end_ns -
                        (steps_ == 0 ? 0 : static_cast<int64_t>(random_() % length)));
  }
}

bool Linearizer::Search(ClassModel state, size_t first) {
  const size_t before = order_.size();
  PlaceReads(state, first);
  if (required_left_ == 0) return true;
  // The same events placed, with the same result, which led nowhere.
  const uint64_t here = set_hash_ ^ state.Hash();
  if (++steps_ < limit_ && !dead_ends_.contains(here)) {
    for (const size_t write : FittingWrites(state, first)) {
      ClassModel next = state;
      next.Apply(events_[write]);
      Place(write);
      if (!lookahead_.Doomed(state, next, placed_) && Search(next, first)) return true;
      Unplace(1);
    }
  }
  if (order_.size() > longest_.size()) longest_ = order_;
  if (steps_ < limit_) dead_ends_.insert(here);
  Unplace(order_.size() - before);
  return false;
}

// A seat comes free after its own student's removal.
bool Linearizer::Fits(const ClassModel& state, size_t event) const {
  const size_t before = removal_of_[event];
  return (before == event || placed_[before]) && state.Allows(events_[event]);
}

// Each read placed may let later events begin, so it goes on until nothing fits any more.
void Linearizer::PlaceReads(const ClassModel& state, size_t& first) {
  bool again = true;
  while (again) {
    again = false;
    while (first < events_.size() && placed_[first]) ++first;
    for (const size_t i : Candidates(first)) {
      if (state.IsIdle(events_[i]) && Fits(state, i)) {
        Place(i);
        again = true;
      }
    }
  }
}

// Those that may come next: nobody else who is left ended before they began.
std::vector<size_t> Linearizer::Candidates(size_t first) const {
  std::vector<size_t> candidates;
  int64_t earliest_end_ns = kNever;
  for (size_t i = first; i < events_.size() && events_[i].start_ns <= earliest_end_ns; ++i) {
    if (placed_[i]) continue;
    candidates.push_back(i);
    if (!Optional(events_[i])) earliest_end_ns = std::min(earliest_end_ns, events_[i].end_ns);
  }
  std::erase_if(candidates, [&](size_t i) { return events_[i].start_ns > earliest_end_ns; });
  return candidates;
}

// What the class should be led to: the report nearest to what it is now, of those that the
// candidates can lead to; without any, the event that must come next.
const Event* Linearizer::Goal(const ClassModel& state,
                              const std::vector<size_t>& candidates) const {
  Students enrolls;
  Students leaves;
  const Event* due = nullptr;
  for (const size_t i : candidates) {
    const Event& event = events_[i];
    if (due == nullptr || event.end_ns < due->end_ns) due = &event;
    if (IsRead(event)) continue;
    if (event.kind == Kind::kEnroll) enrolls.set(event.student);
    if (event.kind == Kind::kDrop || event.kind == Kind::kDeleteStudent) leaves.set(event.student);
  }
  const Event* nearest = nullptr;
  for (const size_t i : candidates) {
    const Event& report = events_[i];
    if (report.kind != Kind::kReport || report.exists != state.exists) continue;
    const bool reachable = (report.roster & ~state.roster & ~enrolls).none() &&
                           (state.roster & ~report.roster & ~leaves).none();
    if (reachable &&
        (nearest == nullptr || state.DistanceTo(report) < state.DistanceTo(*nearest))) {
      nearest = &report;
    }
  }
  return nearest != nullptr ? nearest : due;
}

// The most promising first: those that lead to the goal, then those that ended earlier. Those that
// need not have happened at all come last.
std::vector<size_t> Linearizer::FittingWrites(const ClassModel& state, size_t first) const {
  const std::vector<size_t> candidates = Candidates(first);
  const Event* goal = Goal(state, candidates);
  std::vector<std::pair<Rank, size_t>> writes;
  for (const size_t i : candidates) {
    const Event& event = events_[i];
    if (state.IsIdle(event) || !Fits(state, i)) continue;
    ClassModel next = state;
    next.Apply(event);
    // What must come next and is allowed to is the goal itself.
    const int distance = &event == goal ? -1 : next.DistanceTo(*goal);
    writes.push_back({{Optional(event), distance, guess_ns_[i]}, i});
  }
  std::sort(writes.begin(), writes.end());
  std::vector<size_t> order;
  for (const auto& [rank, event] : writes) order.push_back(event);
  return order;
}

void Linearizer::Place(size_t event) {
  placed_[event] = true;
  order_.push_back(event);
  set_hash_ ^= marks_[event];
  if (!Optional(events_[event])) --required_left_;
}

void Linearizer::Unplace(size_t count) {
  for (; count > 0; --count) {
    const size_t event = order_.back();
    order_.pop_back();
    placed_[event] = false;
    set_hash_ ^= marks_[event];
    if (!Optional(events_[event])) ++required_left_;
  }
}

std::string Linearizer::Explain() const {
  ClassModel state = initial_;
  for (const size_t i : longest_) state.Apply(events_[i]);
  std::string text = fmt::format(
      "{} of {} events fit; {} {} of {} seats taken, and then:\n", longest_.size(), events_.size(),
      state.exists ? "the class has" : "there is no class, but", state.roster.count(), state.vagas);
  int64_t earliest_end_ns = kNever;
  for (size_t i = 0; i < events_.size() && events_[i].start_ns <= earliest_end_ns; ++i) {
    if (std::find(longest_.begin(), longest_.end(), i) != longest_.end()) continue;
    text +=
        fmt::format("  {}{}\n", Describe(events_[i]), state.Allows(events_[i]) ? " (fits)" : "");
    if (!Optional(events_[i])) earliest_end_ns = std::min(earliest_end_ns, events_[i].end_ns);
  }
  return text;
}

}  // namespace matricula::race
