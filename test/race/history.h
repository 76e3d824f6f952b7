#pragma once

#include <bitset>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace matricula::race {

// What happened to one class, as its clients saw it from outside.
inline constexpr size_t kMostStudents = 256;
using Students = std::bitset<kMostStudents>;

enum class Kind {
  kEnroll,
  kDrop,
  kEditVagas,
  kDeleteClass,
  kCreateClass,
  kDeleteStudent,  // the student leaves this class, too,
  kFreeSeat,       // and then the seat comes free: a student in many classes is removed in steps
  kCreateStudent,
  kReport,
};

enum class Result {
  kOk,
  kSemVagas,
  kJaMatriculado,
  kNaoMatriculado,
  kSemAluno,
  kSemDisciplina,
  kVagasAbaixo,
  kExiste,   // the student or class exists already
  kUnknown,  // no answer: it happened at some time since, or it never will
};

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

struct Event {
  Kind kind = Kind::kReport;
  Result result = Result::kOk;
  uint32_t student = 0;
  int32_t vagas = 0;  // asked for by kEditVagas and kCreateClass, told by kReport
  // kReport only.
  bool exists = false;
  Students roster;

  // It took effect, if at all, between these; kNever while nobody knows.
  int64_t start_ns = 0;
  int64_t end_ns = kNever;
};

using History = std::vector<Event>;

std::string Describe(const Event& event);

}  // namespace matricula::race
