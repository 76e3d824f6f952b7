#include "common/sync/foreign_event.h"

#include <utility>
#include <variant>

#include "common/sync/await.h"

namespace matricula::sync {
namespace {

using domain::Answer;
using domain::Cadastro;

void Apply(domain::Domain& domain, const AlunoEvent& event, Answer done) {
  Cadastro& cadastro = domain.cadastro();
  switch (event.action) {
    case Action::kCreate:
      return cadastro.NovoAluno(event.record, "", std::move(done));
    case Action::kUpdate:
      return cadastro.EditaAluno(event.record, "", std::move(done));
    case Action::kDelete:
      return cadastro.RemoveAluno(event.record.matricula(), "", std::move(done));
  }
}

void Apply(domain::Domain& domain, const ProfessorEvent& event, Answer done) {
  Cadastro& cadastro = domain.cadastro();
  switch (event.action) {
    case Action::kCreate:
      return cadastro.NovoProfessor(event.record, "", std::move(done));
    case Action::kUpdate:
      return cadastro.EditaProfessor(event.record, "", std::move(done));
    case Action::kDelete:
      return cadastro.RemoveProfessor(event.record.siape(), "", std::move(done));
  }
}

void Apply(domain::Domain& domain, const DisciplinaEvent& event, Answer done) {
  Cadastro& cadastro = domain.cadastro();
  switch (event.action) {
    case Action::kCreate:
      return cadastro.NovaDisciplina(event.record, "", std::move(done));
    case Action::kUpdate:
      return cadastro.EditaDisciplina(event.record, "", std::move(done));
    case Action::kDelete:
      return cadastro.RemoveDisciplina(event.record.sigla(), "", std::move(done));
  }
}

void Apply(domain::Domain& domain, const MatriculaEvent& event, Answer done) {
  if (event.who == MatriculaEvent::Who::kAluno) {
    return event.added ? domain.turmas().AdicionaAluno(event.par, "", std::move(done))
                       : domain.turmas().RemoveAluno(event.par, "", std::move(done));
  }
  return event.added ? domain.docentes().AdicionaProfessor(event.par, "", std::move(done))
                     : domain.docentes().RemoveProfessor(event.par, "", std::move(done));
}

void Obtem(Cadastro& cadastro, const project::Aluno& wanted, base::Done<project::Aluno> done) {
  cadastro.ObtemAluno(wanted.matricula(), std::move(done));
}
void Obtem(Cadastro& cadastro, const project::Professor& wanted,
           base::Done<project::Professor> done) {
  cadastro.ObtemProfessor(wanted.siape(), std::move(done));
}
void Obtem(Cadastro& cadastro, const project::Disciplina& wanted,
           base::Done<project::Disciplina> done) {
  cadastro.ObtemDisciplina(wanted.sigla(), std::move(done));
}

// True if the event is an update to what the store has already.
template <class Record>
bool IsThereAlready(domain::Domain& domain, const RecordEvent<Record>& event) {
  if (event.action != Action::kUpdate) return false;
  const auto record = Await<Record>(
      [&](base::Done<Record> done) { Obtem(domain.cadastro(), event.record, std::move(done)); });
  return record.ok() && record->SerializeAsString() == event.record.SerializeAsString();
}

bool IsThereAlready(domain::Domain&, const MatriculaEvent&) { return false; }

}  // namespace

Verdict ApplyForeign(domain::Domain& domain, const BusEvent& event) {
  const bool there =
      std::visit([&](const auto& kind) { return IsThereAlready(domain, kind); }, event);
  if (there) return {Verdict::Kind::kUnchanged, ""};
  const auto answer = Await<project::Status>([&](Answer done) {
    std::visit([&](const auto& kind) { Apply(domain, kind, std::move(done)); }, event);
  });
  if (!answer.ok()) return {Verdict::Kind::kFailed, std::string(answer.status().message())};
  if (answer->status() != 0) return {Verdict::Kind::kRefused, answer->msg()};
  return {Verdict::Kind::kApplied, ""};
}

}  // namespace matricula::sync
