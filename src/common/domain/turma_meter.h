#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/base/histogram.h"
#include "matricula.pb.h"

namespace matricula::domain {

enum class Enrollment { kAdd, kDrop };

// What a refusal is counted as.
inline constexpr std::string_view kRefusalReasons[] = {
    "no_seats",     "no_class",       "no_student",       "already_enrolled",
    "not_enrolled", "bad_request_id", "request_id_reused"};

// How enrolling and dropping went, since the start.
struct TurmaStats {
  // Refusals by reason, in the order of kRefusalReasons.
  std::array<uint64_t, std::size(kRefusalReasons)> refused{};
  uint64_t enrolled = 0;
  uint64_t dropped = 0;
  uint64_t failed = 0;     // trouble of ours, overload included
  uint64_t conflicts = 0;  // writes that somebody else was quicker than
  base::HistogramSnapshot batch_sizes;
  int waiting = 0;
};

// Counts the answers of the classes' queues. Any thread.
class TurmaMeter {
 public:
  void Answered(Enrollment kind, const project::Status& answer);
  void Failed(uint64_t requests) { failed_.Add(requests); }
  void Conflict() { conflicts_.Add(); }
  void Batch(size_t requests) { batch_sizes_.Observe(static_cast<int64_t>(requests)); }
  TurmaStats Stats() const;

 private:
  std::array<base::Counter, std::size(kRefusalReasons)> refused_;
  base::Counter enrolled_;
  base::Counter dropped_;
  base::Counter failed_;
  base::Counter conflicts_;
  base::Histogram batch_sizes_{base::kCountBounds};
};

}  // namespace matricula::domain
