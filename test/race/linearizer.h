#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "test/race/history.h"
#include "test/race/lookahead.h"
#include "test/race/model.h"

namespace matricula::race {

enum class Verdict {
  kYes,        // there is an order of the events that explains every answer
  kNo,         // there is none
  kUndecided,  // none found within the steps so far
};

// Searches for an order of a history's events in which each one lies between its start and its
// end and each answer is the one that the sequential model gives there (Wing and Gong's search,
// with Lowe's memory of what has been tried). Events of unknown outcome may take effect any time
// after their start, or never.
//
// What keeps it quick on long histories: a read that fits is placed at once, which can never be
// wrong; of the writes that fit, those are tried first that lead to what must come next; what has
// become impossible is seen early; and an attempt that takes too long is given up for another one
// that guesses differently, as one wrong guess at the beginning costs more than all others.
class Linearizer {
 public:
  static constexpr int64_t kDefaultSteps = 2'000'000;

  Linearizer(const History& history, const ClassModel& initial);

  // Begins no attempt after so many steps; after kUndecided, after so many more.
  Verdict Check(int64_t steps = kDefaultSteps);
  // After a verdict that is not yes: how far the longest attempt came, and what did not fit there.
  std::string Explain() const;
  int64_t steps() const { return steps_; }

 private:
  void GuessOrder();
  bool Search(ClassModel state, size_t first);
  size_t FindRemoval(size_t event) const;
  bool Fits(const ClassModel& state, size_t event) const;
  void PlaceReads(const ClassModel& state, size_t& first);
  std::vector<size_t> Candidates(size_t first) const;
  std::vector<size_t> FittingWrites(const ClassModel& state, size_t first) const;
  const Event* Goal(const ClassModel& state, const std::vector<size_t>& candidates) const;
  void Place(size_t event);
  void Unplace(size_t count);

  const std::vector<Event> events_;  // by start
  const Lookahead lookahead_;
  std::vector<size_t> removal_of_;
  std::mt19937_64 random_{1};
  std::vector<uint64_t> marks_;  // random; the placed ones xor to the name of their set
  const ClassModel initial_;

  std::vector<bool> placed_;
  std::vector<size_t> order_;
  size_t required_left_ = 0;
  uint64_t set_hash_ = 0;
  std::vector<int64_t> guess_ns_;  // each event's moment
  std::unordered_set<uint64_t> dead_ends_;
  int64_t steps_ = 0;
  int64_t limit_ = 0;  // of this attempt
  int64_t attempt_steps_;

  std::vector<size_t> longest_;  // the order that came farthest
};

}  // namespace matricula::race
