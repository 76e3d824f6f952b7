#pragma once

#include <string>

#include "common/domain/cadastro.h"
#include "matricula.pb.h"

namespace matricula::domain {

// Who teaches what. A class has at most one professor.
class Docentes {
 public:
  explicit Docentes(Transactor& transactor) : transactor_(transactor) {}

  // Needs class and professor, and a class without one.
  void AdicionaProfessor(project::DisciplinaPessoa par, std::string request_id, Answer done);
  // Needs the pair to exist.
  void RemoveProfessor(project::DisciplinaPessoa par, std::string request_id, Answer done);

 private:
  Transactor& transactor_;
};

}  // namespace matricula::domain
