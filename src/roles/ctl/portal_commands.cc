// ctl matricula add|del, ctl docente add|del
#include <fmt/format.h>

#include "roles/ctl/commands.h"
#include "roles/ctl/portal_client.h"
#include "roles/ctl/records.h"

namespace matricula::ctl {
namespace {

using Portal = project::PortalMatricula::Stub;
using project::DisciplinaPessoa;
using Method = grpc::Status (Portal::*)(grpc::ClientContext*, const DisciplinaPessoa&,
                                        project::Status*);

struct Pair {
  std::string disciplina;
  std::string pessoa;
};

// One call on a class and a person. `done` is the sentence for people, of both in this order.
struct Change {
  std::string_view name;
  std::string_view help;
  Method method;
  std::string_view done;
};

ExitCode Run(Session& session, const Change& change, const Pair& pair) {
  DisciplinaPessoa request;
  for (int i = 0; i < 2; ++i) {
    const auto reason = SetField(request, i, i == 0 ? pair.disciplina : pair.pessoa);
    if (reason) return session.Misused(*reason);
  }
  project::Status answer;
  PortalClient& client = session.client();
  const grpc::Status status = client.Call(change.method, client.portal(), request, &answer);
  return session.Answered(status, answer,
                          fmt::format(fmt::runtime(change.done), pair.disciplina, pair.pessoa));
}

void Describe(CLI::App& group, CommandSet& set, std::string_view person_name,
              std::string_view person_help, const Change& change) {
  set.Add<Pair>(
      group, std::string(change.name), std::string(change.help),
      [change](Session& session, const Pair& pair) { return Run(session, change, pair); },
      [&](Command& command, Pair& pair) {
        command.Argument("DISCIPLINA", "sigla da disciplina", &pair.disciplina);
        command.Argument(person_name, person_help, &pair.pessoa);
      });
}

}  // namespace

void DescribeVinculos(CLI::App& root, CommandSet& set) {
  CLI::App& matricula = AddGroup(root, "matricula", "matrículas de alunos em disciplinas");
  const Change matricula_changes[] = {
      {"add", "matricula um aluno em uma disciplina", &Portal::AdicionaAluno,
       "aluno {1} matriculado em {0}"},
      {"del", "cancela a matrícula de um aluno em uma disciplina", &Portal::RemoveAluno,
       "matrícula do aluno {1} em {0} cancelada"}};
  for (const Change& change : matricula_changes) {
    Describe(matricula, set, "MATRÍCULA", "número de matrícula do aluno", change);
  }
  CLI::App& docente = AddGroup(root, "docente", "professores das disciplinas");
  const Change docente_changes[] = {
      {"add", "dá um professor a uma disciplina", &Portal::AdicionaProfessor,
       "professor {1} leciona {0}"},
      {"del", "retira o professor de uma disciplina", &Portal::RemoveProfessor,
       "professor {1} não leciona mais {0}"}};
  for (const Change& change : docente_changes) {
    Describe(docente, set, "SIAPE", "número SIAPE do professor", change);
  }
}

}  // namespace matricula::ctl
