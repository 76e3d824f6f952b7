#pragma once

#include <cstdint>

#include "test/race/history.h"

namespace matricula::race {

// One class, one request after another: what every concurrent history must be explained by.
class ClassModel {
 public:
  bool exists = false;
  int32_t vagas = 0;
  Students roster;
  Students leaving;             // no longer on the roster, but the seat is not yet free
  Students enrolled_at_school;  // the students' own records

  // Whether the class, as it is now, may give the event's answer. An unknown one never allows more
  // than taking effect.
  bool Allows(const Event& event) const { return DistanceTo(event) == 0; }
  // Does what an allowed event does.
  void Apply(const Event& event);
  // Whether an allowed event leaves this class as it is.
  bool IsIdle(const Event& event) const;
  // How far the class is from allowing the event; 0: it does.
  int DistanceTo(const Event& event) const;
  uint64_t Hash() const;

 private:
  int Taken() const { return static_cast<int>((roster | leaving).count()); }
  int DistanceToReport(const Event& event) const;
  int DistanceToEffect(const Event& event) const;
  int DistanceToRefusal(const Event& event) const;
};

// An event that leaves every class as it is.
bool IsRead(const Event& event);
// Whether `seat` is the seat (kFreeSeat) of the student whom `removal` removes: it comes free
// later.
bool IsSeatOf(const Event& seat, const Event& removal);

}  // namespace matricula::race
