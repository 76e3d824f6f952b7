#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/done.h"
#include "common/domain/cursor.h"
#include "common/domain/rules.h"
#include "matricula.pb.h"

namespace matricula::domain {

struct Kind;
class Transactor;

// How a write ended: status 0 if it has taken effect, 1 and the reason if it was refused and
// changed nothing. Errors are trouble of ours: Unavailable and ResourceExhausted (nothing changed),
// OutcomeUnknown (it may have taken effect), DataLoss (a malformed record).
using Answer = base::Done<project::Status>;

// The records: students, professors, disciplines. `request_id` is the client's own (empty: none);
// repeating a request with the same id answers ok again and changes nothing.
//
// Removing cascades: a student leaves every roster, a professor every class, a discipline takes
// its roster along, in one transaction when it fits. Otherwise the record goes first, with a marker
// `remocao/<kind>/<id>`, then the rest in steps; the answer comes when all is done.
class Cadastro {
 public:
  Cadastro(Transactor& transactor, Rules rules) : transactor_(transactor), rules_(rules) {}

  void NovoAluno(const project::Aluno& aluno, std::string request_id, Answer done);
  void EditaAluno(const project::Aluno& aluno, std::string request_id, Answer done);
  void RemoveAluno(std::string matricula, std::string request_id, Answer done);
  // A blank message if there is none.
  void ObtemAluno(std::string_view matricula, base::Done<project::Aluno> done);
  std::unique_ptr<Cursor<project::Aluno>> ObtemTodosAlunos();

  void NovoProfessor(const project::Professor& professor, std::string request_id, Answer done);
  void EditaProfessor(const project::Professor& professor, std::string request_id, Answer done);
  void RemoveProfessor(std::string siape, std::string request_id, Answer done);
  void ObtemProfessor(std::string_view siape, base::Done<project::Professor> done);
  std::unique_ptr<Cursor<project::Professor>> ObtemTodosProfessores();

  void NovaDisciplina(const project::Disciplina& disciplina, std::string request_id, Answer done);
  // Refused if `vagas` would fall below the seats taken.
  void EditaDisciplina(project::Disciplina disciplina, std::string request_id, Answer done);
  void RemoveDisciplina(std::string sigla, std::string request_id, Answer done);
  void ObtemDisciplina(std::string_view sigla, base::Done<project::Disciplina> done);
  std::unique_ptr<Cursor<project::Disciplina>> ObtemTodasDisciplinas();

  // Finishes the removals that a crash has left in the middle; answers how many. To be called at
  // start, beside the traffic; any number of servers may do so at once. After an error (a cluster
  // that has no quorum yet, for example) it is tried again in the background until it is done.
  void ResumeRemovals(base::Done<int> done);

 private:
  void Remove(const Kind& kind, std::string id, std::string request_id, std::string_view name,
              Answer done);
  void FinishLater();

  Transactor& transactor_;
  const Rules rules_;
  // A removal that could not be finished is tried again in the background, by one at a time.
  std::atomic<bool> finishing_{false};
};

}  // namespace matricula::domain
