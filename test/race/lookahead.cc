#include "test/race/lookahead.h"

#include <algorithm>

namespace matricula::race {

Lookahead::Lookahead(const std::vector<Event>& events) : events_(events) {
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i].kind == Kind::kReport) {
      NoteReport(i);
    } else {
      Note(i);
    }
  }
}

void Lookahead::NoteReport(size_t index) {
  const Event& report = events_[index];
  exists_.sides[report.exists].needed_by.push_back(index);
  if (!report.exists) return;
  reports_.push_back(index);
  for (size_t student = 0; student < kMostStudents; ++student) {
    in_class_[student].sides[report.roster[student]].needed_by.push_back(index);
  }
}

void Lookahead::Note(size_t index) {
  const Event& event = events_[index];
  Fact& in_class = in_class_[event.student];
  Fact& at_school = at_school_[event.student];
  // A refusal needs its reason; an event that surely took effect, what it takes to do so. An
  // unknown one needs nothing, for it need not have happened.
  const auto need = [&](Fact& fact, bool value) {
    if (event.result != Result::kUnknown) fact.sides[value].needed_by.push_back(index);
  };
  const auto set = [&](Fact& fact, bool value) { fact.sides[value].set_by.push_back(index); };
  if (event.result == Result::kJaMatriculado) need(in_class, true);
  if (event.result == Result::kNaoMatriculado) need(in_class, false);
  if (event.result == Result::kSemAluno) need(at_school, false);
  if (event.result == Result::kSemDisciplina) need(exists_, false);
  if (event.result == Result::kSemVagas || event.result == Result::kJaMatriculado ||
      event.result == Result::kVagasAbaixo) {
    need(exists_, true);
  }
  if (IsRead(event)) return;
  switch (event.kind) {
    case Kind::kEnroll:
      need(exists_, true);
      need(at_school, true);
      need(in_class, false);
      set(in_class, true);
      break;
    case Kind::kDrop:
      need(exists_, true);
      need(in_class, true);
      set(in_class, false);
      break;
    case Kind::kEditVagas:
      need(exists_, true);
      vagas_set_by_.push_back(index);
      break;
    case Kind::kDeleteClass:
      need(exists_, true);
      set(exists_, false);
      class_deleted_by_.push_back(index);
      break;
    case Kind::kCreateClass:
      need(exists_, false);
      set(exists_, true);
      vagas_set_by_.push_back(index);
      break;
    case Kind::kDeleteStudent:
      need(at_school, true);
      set(at_school, false);
      set(in_class, false);
      break;
    case Kind::kCreateStudent:
      need(at_school, false);
      set(at_school, true);
      break;
    case Kind::kFreeSeat:
    case Kind::kReport:
      break;
  }
}

int64_t Lookahead::NextNs(const std::vector<size_t>& events,
                          const std::vector<bool>& placed) const {
  int64_t next_ns = kNever;
  for (const size_t i : events) {
    if (!placed[i]) next_ns = std::min(next_ns, events_[i].start_ns);
  }
  return next_ns;
}

// Nobody is left who could make the fact so for everybody who is left and needs it.
bool Lookahead::Lost(const Side& side, const std::vector<bool>& placed) const {
  const int64_t next_set_ns = NextNs(side.set_by, placed);
  return std::any_of(side.needed_by.begin(), side.needed_by.end(), [&](size_t i) {
    return !placed[i] && (next_set_ns == kNever || events_[i].end_ns < next_set_ns);
  });
}

// The same for a student's absence from the class, which may also come about by the end of the
// class; but then those who are seen in it later must enroll again.
bool Lookahead::AbsenceLost(const Side& side, const std::vector<bool>& placed) const {
  const int64_t next_set_ns = NextNs(side.set_by, placed);
  const int64_t next_deletion_ns = NextNs(class_deleted_by_, placed);
  return std::any_of(side.needed_by.begin(), side.needed_by.end(), [&](size_t i) {
    const Event& event = events_[i];
    if (placed[i] || (next_set_ns != kNever && next_set_ns <= event.end_ns)) return false;
    if (next_deletion_ns == kNever || next_deletion_ns > event.end_ns) return true;
    for (size_t student = event.roster._Find_first(); student < kMostStudents;
         student = event.roster._Find_next(student)) {
      const int64_t next_ns = NextNs(in_class_[student].sides[true].set_by, placed);
      if (next_ns == kNever || next_ns > event.end_ns) return true;
    }
    return false;
  });
}

bool Lookahead::VagasLost(int32_t vagas, const std::vector<bool>& placed) const {
  return std::any_of(reports_.begin(), reports_.end(), [&](size_t report) {
    const Event& event = events_[report];
    if (placed[report] || event.vagas == vagas) return false;
    return std::none_of(vagas_set_by_.begin(), vagas_set_by_.end(), [&](size_t i) {
      return !placed[i] && events_[i].vagas == event.vagas && events_[i].start_ns <= event.end_ns;
    });
  });
}

bool Lookahead::Doomed(const ClassModel& before, const ClassModel& after,
                       const std::vector<bool>& placed) const {
  if (before.exists != after.exists && Lost(exists_.sides[before.exists], placed)) return true;
  if (after.exists && before.vagas != after.vagas && VagasLost(after.vagas, placed)) return true;
  const Students moved = before.roster ^ after.roster;
  const Students changed = moved | (before.enrolled_at_school ^ after.enrolled_at_school);
  for (size_t i = changed._Find_first(); i < kMostStudents; i = changed._Find_next(i)) {
    if (moved[i] && (before.roster[i] ? Lost(in_class_[i].sides[true], placed)
                                      : AbsenceLost(in_class_[i].sides[false], placed))) {
      return true;
    }
    if (before.enrolled_at_school[i] != after.enrolled_at_school[i] &&
        Lost(at_school_[i].sides[before.enrolled_at_school[i]], placed)) {
      return true;
    }
  }
  return false;
}

}  // namespace matricula::race
