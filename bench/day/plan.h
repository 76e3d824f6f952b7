#pragma once

#include <cstdint>
#include <vector>

#include "bench/day/campus.h"

namespace matricula::day {

// What the students of the day do, and when. Times are the day's own: milliseconds after opening.
inline constexpr double kRushShare = 0.80;           // of the students come in the rush,
inline constexpr double kRushMeanMs = 2 * 60'000.0;  // exponentially; the others any time
inline constexpr double kThinkMeanMs = 3'000.0;      // between one wish and the next
inline constexpr double kDuplicateShare = 0.02;      // of the wishes are submitted twice at once,
inline constexpr double kTimeoutShare = 0.01;        // of the requests time out and are repeated,
inline constexpr double kDropShare = 0.08;           // of the enrollments are given up again,
inline constexpr double kDropMeanMs = 5 * 60'000.0;  // after this long on average
// A client that times out hangs up this soon, in real time whatever the speed of the day.
inline constexpr int64_t kShortestPatienceUs = 200;
inline constexpr int64_t kLongestPatienceUs = 5'000;

struct Wish {
  uint32_t aluno = 0;  // index into Campus::alunos
  uint32_t turma = 0;  // index into Campus::turmas
  int64_t at_ms = 0;   // not before this, nor before the student's previous wish is answered
  bool duplicate = false;
  int32_t patience_us = 0;       // 0: waits for the answer; else hangs up and repeats
  int64_t drop_after_ms = -1;    // -1: keeps the seat
  int32_t drop_patience_us = 0;  // as above, for the drop
};

struct Plan {
  int64_t window_ms = 0;
  // kWishesPerStudent for each student, in the order of wishing; no class twice for one student.
  std::vector<Wish> wishes;
};

struct PlanOptions {
  uint64_t seed = 1;
  int64_t window_ms = 60 * 60'000;
};

// The same plan for the same campus and options; each class is wished for `demanda` times (but
// for a handful, in a campus so small that a student would draw the same class twice).
Plan MakePlan(const Campus& campus, const PlanOptions& options);

}  // namespace matricula::day
