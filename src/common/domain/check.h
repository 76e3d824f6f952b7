#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/done.h"

namespace matricula::domain {

class Transactor;

// What a check of the whole store found.
struct CheckReport {
  int64_t revision = 0;  // of the store that was looked at
  int64_t alunos = 0;
  int64_t professores = 0;
  int64_t disciplinas = 0;
  int64_t matriculas = 0;
  int64_t pending_removals = 0;
  std::vector<std::string> violations;  // at most kMaxViolations texts for operators
  int64_t violations_in_all = 0;

  bool ok() const { return violations_in_all == 0; }
};

inline constexpr size_t kMaxViolations = 1'000;

// Verifies, at one revision and with memory that does not grow with the store: for every discipline
// `ocupadas` = enrollments <= `vagas`, and `turma` exists exactly where `disciplina` does; both
// reverse indexes mirror exactly; nobody is enrolled or teaches who has no record (unless a removal
// in steps is under way); every record is well-formed and stands under its own key.
void Check(Transactor& transactor, base::Done<CheckReport> done);

}  // namespace matricula::domain
