#pragma once

#include <string>
#include <string_view>

#include "common/domain/commit.h"
#include "common/domain/keys.h"
#include "common/domain/pedido.h"
#include "common/domain/rules.h"

namespace matricula::domain {

// What differs between the three kinds of records.
struct Kind {
  std::string_view name;    // in keys of removal markers
  std::string_view prefix;  // of the records' keys
  std::string_view existe;  // refusals
  std::string_view ausente;
};

inline constexpr Kind kAluno{kKindAluno, kAlunoPrefix, recusa::kAlunoExiste, recusa::kSemAluno};
inline constexpr Kind kProfessor{kKindProfessor, kProfessorPrefix, recusa::kProfessorExiste,
                                 recusa::kSemProfessor};
inline constexpr Kind kDisciplina{kKindDisciplina, kDisciplinaPrefix, recusa::kDisciplinaExiste,
                                  recusa::kSemDisciplina};

// Most classes of a student or professor, or students of a class, that are removed together with
// the record in one transaction; with more, it is done in steps.
inline constexpr int kMaxWholeTurmas = 60;
inline constexpr int kMaxWholeRoster = 118;

// Removes the record and all that hangs on it. OutcomeUnknown: the record may be gone and the rest
// not yet; FinishAllRemovals ends that.
Task<base::Result<project::Status>> Remove(Transactor& transactor, const Kind& kind, std::string id,
                                           Pedido pedido);

// Does the remaining steps of the removal of this record, if one is under way. Any number of
// servers may do so at once. False: there was none.
Task<base::Result<bool>> FinishRemoval(Transactor& transactor, const Kind& kind, std::string id);

// The same for all records; answers how many removals there were.
Task<base::Result<int>> FinishAllRemovals(Transactor& transactor);

}  // namespace matricula::domain
