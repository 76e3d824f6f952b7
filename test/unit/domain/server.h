#pragma once

#include "common/domain/cadastro.h"
#include "common/domain/check.h"
#include "common/domain/commit.h"
#include "common/domain/docentes.h"
#include "common/domain/reports.h"
#include "common/domain/turma_queue.h"

namespace matricula::domain {

// One server's domain, on a timer and a clock of the test's.
struct Server {
  Server(store::Store& store, Timer& timer, const base::Clock& clock, uint64_t writer_id,
         TurmaQueueLimits limits = {}, int64_t budget_ms = 5'000)
      : transactor(store, timer, clock, {budget_ms, writer_id}),
        cadastro(transactor, Rules()),
        docentes(transactor),
        turmas(transactor, limits),
        reports(transactor) {}

  Transactor transactor;
  Cadastro cadastro;
  Docentes docentes;
  TurmaQueue turmas;
  Reports reports;
};

inline project::Aluno MakeAluno(std::string matricula, std::string nome) {
  project::Aluno aluno;
  aluno.set_matricula(std::move(matricula));
  aluno.set_nome(std::move(nome));
  return aluno;
}
inline project::Professor MakeProfessor(std::string siape, std::string nome) {
  project::Professor professor;
  professor.set_siape(std::move(siape));
  professor.set_nome(std::move(nome));
  return professor;
}
inline project::Disciplina MakeDisciplina(std::string sigla, std::string nome, int vagas) {
  project::Disciplina disciplina;
  disciplina.set_sigla(std::move(sigla));
  disciplina.set_nome(std::move(nome));
  disciplina.set_vagas(vagas);
  return disciplina;
}
inline project::DisciplinaPessoa Par(std::string disciplina, std::string pessoa) {
  project::DisciplinaPessoa par;
  par.set_disciplina(std::move(disciplina));
  par.set_idpessoa(std::move(pessoa));
  return par;
}

}  // namespace matricula::domain
