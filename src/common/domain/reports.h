#pragma once

#include <memory>
#include <string>

#include "common/base/done.h"
#include "common/domain/cursor.h"
#include "matricula.pb.h"

namespace matricula::domain {

class Transactor;

// Reports, joined when read; each shows the store at one revision. What is being removed in steps
// is not shown. `professor` is absent from a class without one; `vagas` is the cap.
class Reports {
 public:
  explicit Reports(Transactor& transactor) : transactor_(transactor) {}

  // A blank message if there is no such discipline. Students in the order of their keys.
  void DetalhaDisciplina(std::string sigla, base::Done<project::RelatorioDisciplina> done);

  // Nothing if there is no such professor or student. Pages of reports are one report long.
  std::unique_ptr<Cursor<project::RelatorioDisciplina>> ObtemDisciplinasProfessor(
      const std::string& siape);
  std::unique_ptr<Cursor<project::ResumoDisciplina>> ObtemDisciplinasAluno(
      const std::string& matricula);

 private:
  Transactor& transactor_;
};

}  // namespace matricula::domain
