#pragma once

#include <cstdint>
#include <vector>

#include "test/race/history.h"
#include "test/race/model.h"

namespace matricula::race {

// Sees early that an order cannot be completed. A class is a set of facts that are true or false:
// this student is in the class, is at school, the class exists, has that many seats. Most events
// need some fact to be as they say; so if a write turned a fact over, and an event that is left
// needs it the other way, then some write that is left must turn it back before that event ends.
class Lookahead {
 public:
  // `events` must stay where they are.
  explicit Lookahead(const std::vector<Event>& events);

  // Whether some event left is lost for good by the step from `before` to `after`; placed[i] says
  // that events[i] has its place already.
  bool Doomed(const ClassModel& before, const ClassModel& after,
              const std::vector<bool>& placed) const;

 private:
  // Who needs a fact to have one certain value, and who gives it that value.
  struct Side {
    std::vector<size_t> needed_by;
    std::vector<size_t> set_by;
  };
  struct Fact {
    Side sides[2];  // false, true
  };

  void Note(size_t index);
  void NoteReport(size_t index);
  // When the first of these that are left begins; kNever without any.
  int64_t NextNs(const std::vector<size_t>& events, const std::vector<bool>& placed) const;
  bool Lost(const Side& side, const std::vector<bool>& placed) const;
  bool AbsenceLost(const Side& side, const std::vector<bool>& placed) const;
  bool VagasLost(int32_t vagas, const std::vector<bool>& placed) const;

  const std::vector<Event>& events_;
  Fact in_class_[kMostStudents];
  Fact at_school_[kMostStudents];
  Fact exists_;
  std::vector<size_t> class_deleted_by_;
  std::vector<size_t> reports_;  // of the existing class
  std::vector<size_t> vagas_set_by_;
};

}  // namespace matricula::race
