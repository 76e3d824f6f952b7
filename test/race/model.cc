#include "test/race/model.h"

#include <algorithm>
#include <functional>

namespace matricula::race {
namespace {

constexpr int kNoClass = 1'000;
constexpr int kNoStudent = 300;

int Missing(bool is_so, int weight) { return is_so ? 0 : weight; }

bool TakesEffect(const Event& event) {
  return event.result == Result::kOk || event.result == Result::kUnknown;
}

}  // namespace

bool IsRead(const Event& event) { return event.kind == Kind::kReport || !TakesEffect(event); }

bool IsSeatOf(const Event& seat, const Event& removal) {
  return seat.kind == Kind::kFreeSeat && removal.kind == Kind::kDeleteStudent && !IsRead(removal) &&
         seat.student == removal.student && seat.start_ns == removal.start_ns &&
         seat.end_ns == removal.end_ns;
}

// A distance of 0 is what `Allows` means; how the others compare only guides the search for an
// order. What is wrong with the class itself weighs more than what is wrong with one student.
int ClassModel::DistanceTo(const Event& event) const {
  if (event.kind == Kind::kReport) return DistanceToReport(event);
  return TakesEffect(event) ? DistanceToEffect(event) : DistanceToRefusal(event);
}

int ClassModel::DistanceToReport(const Event& event) const {
  if (event.exists != exists) return kNoClass;
  if (!exists) return 0;
  return static_cast<int>((event.roster ^ roster).count()) + (event.vagas == vagas ? 0 : 1);
}

int ClassModel::DistanceToEffect(const Event& event) const {
  const bool at_school = enrolled_at_school[event.student];
  const bool in_class = roster[event.student];
  switch (event.kind) {
    case Kind::kEnroll:
      return Missing(exists, kNoClass) + Missing(at_school, kNoStudent) +
             Missing(!in_class, kNoStudent) + std::max(0, Taken() - vagas + 1);
    case Kind::kDrop:
      return Missing(exists, kNoClass) + Missing(in_class, kNoStudent);
    case Kind::kEditVagas:
      return Missing(exists, kNoClass) + std::max(0, Taken() - event.vagas);
    case Kind::kDeleteClass:
      return Missing(exists, kNoClass);
    case Kind::kCreateClass:
      return Missing(!exists, kNoClass);
    case Kind::kDeleteStudent:
      return Missing(at_school, kNoStudent);
    case Kind::kFreeSeat:
    case Kind::kCreateStudent:
      return Missing(!at_school, kNoStudent);
    case Kind::kReport:
      break;
  }
  return 0;
}

int ClassModel::DistanceToRefusal(const Event& event) const {
  switch (event.result) {
    case Result::kSemVagas:
      return Missing(exists, kNoClass) + std::max(0, vagas - Taken());
    case Result::kJaMatriculado:
      return Missing(exists, kNoClass) + Missing(roster[event.student], kNoStudent);
    case Result::kNaoMatriculado:
      return Missing(!roster[event.student], kNoStudent);
    case Result::kSemAluno:
      return Missing(!enrolled_at_school[event.student], kNoStudent);
    case Result::kSemDisciplina:
      return Missing(!exists, kNoClass);
    case Result::kVagasAbaixo:
      return Missing(exists, kNoClass) + std::max(0, event.vagas + 1 - Taken());
    case Result::kExiste:
      return event.kind == Kind::kCreateClass
                 ? Missing(exists, kNoClass)
                 : Missing(enrolled_at_school[event.student], kNoStudent);
    case Result::kOk:
    case Result::kUnknown:
      break;
  }
  return 0;
}

bool ClassModel::IsIdle(const Event& event) const {
  return IsRead(event) || (event.kind == Kind::kFreeSeat && !leaving[event.student]);
}

void ClassModel::Apply(const Event& event) {
  if (IsRead(event)) return;
  switch (event.kind) {
    case Kind::kEnroll:
      roster.set(event.student);
      break;
    case Kind::kDrop:
      roster.reset(event.student);
      break;
    case Kind::kEditVagas:
      vagas = event.vagas;
      break;
    case Kind::kDeleteClass:
      exists = false;
      roster.reset();
      leaving.reset();
      break;
    case Kind::kCreateClass:
      exists = true;
      vagas = event.vagas;
      break;
    case Kind::kDeleteStudent:
      enrolled_at_school.reset(event.student);
      if (roster[event.student]) leaving.set(event.student);
      roster.reset(event.student);
      break;
    case Kind::kFreeSeat:
      leaving.reset(event.student);
      break;
    case Kind::kCreateStudent:
      enrolled_at_school.set(event.student);
      break;
    case Kind::kReport:
      break;
  }
}

uint64_t ClassModel::Hash() const {
  const std::hash<Students> hash;
  uint64_t all = hash(roster);
  all = all * 0x9E3779B97F4A7C15 + hash(leaving);
  all = all * 0x9E3779B97F4A7C15 + hash(enrolled_at_school);
  return all * 0x9E3779B97F4A7C15 + static_cast<uint64_t>(vagas) * 2 + (exists ? 1 : 0);
}

}  // namespace matricula::race
