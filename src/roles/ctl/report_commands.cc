// ctl relatorio disciplina|aluno|professor
#include <fmt/format.h>

#include "roles/ctl/commands.h"
#include "roles/ctl/portal_client.h"
#include "roles/ctl/records.h"
#include "roles/ctl/utf8.h"

namespace matricula::ctl {
namespace {

using Admin = project::PortalAdministrativo::Stub;
using Portal = project::PortalMatricula::Stub;
using nlohmann::ordered_json;
using project::Identificador;
using project::RelatorioDisciplina;
using project::ResumoDisciplina;

struct Key {
  std::string id;
};

template <class Message>
std::string NameOfTeacher(const Message& message) {
  return message.has_professor() ? message.professor().nome() : "sem professor";
}

// A class and its roster: as one JSON document, or as a heading and a table.
void Print(Session& session, const RelatorioDisciplina& report) {
  if (session.json()) {
    session.PrintJson(JsonOf(report));
    return;
  }
  const project::Disciplina& disciplina = report.disciplina();
  std::ostream& out = session.console().out;
  out << fmt::format("{}  {}\n", Printable(disciplina.sigla()), Printable(disciplina.nome()));
  out << fmt::format(
      "professor: {}{}\n", Printable(NameOfTeacher(report)),
      report.has_professor() ? " (" + Printable(report.professor().siape()) + ")" : "");
  out << fmt::format("vagas: {}, alunos: {}\n", disciplina.vagas(), report.alunos_size());
  if (report.alunos().empty()) return;
  out << '\n';
  Table table(out, {"MATRÍCULA", "NOME"});
  for (const project::Aluno& aluno : report.alunos()) table.Add({aluno.matricula(), aluno.nome()});
}

ExitCode OfDisciplina(Session& session, const Key& key) {
  Identificador id;
  if (const auto reason = SetField(id, 0, key.id)) return session.Misused(*reason);
  RelatorioDisciplina report;
  PortalClient& client = session.client();
  const grpc::Status status = client.Call(&Portal::DetalhaDisciplina, client.portal(), id, &report);
  if (!status.ok()) return session.Failed(status, Effect::kRead);
  if (report.disciplina().sigla().empty()) {
    return session.Refused(fmt::format("disciplina {} não encontrada", key.id));
  }
  Print(session, report);
  return ExitCode::kOk;
}

// An empty report is the same for somebody without classes and for nobody at all: asks which.
template <class Record>
ExitCode ExplainEmpty(Session& session, const Identificador& id,
                      grpc::Status (Admin::*get)(grpc::ClientContext*, const Identificador&,
                                                 Record*),
                      std::string_view person, std::string_view nothing) {
  Record record;
  PortalClient& client = session.client();
  const grpc::Status status = client.Call(get, client.admin(), id, &record);
  // Roles can be served apart, and then this server cannot tell.
  const bool known = status.error_code() == grpc::StatusCode::UNIMPLEMENTED ||
                     !JsonOf(record).begin()->template get<std::string>().empty();
  if (!status.ok() && !known) return session.Failed(status, Effect::kRead);
  if (!known) return session.Refused(fmt::format("{} {} não encontrado", person, id.id()));
  if (!session.json()) session.console().out << nothing << '\n';
  return ExitCode::kOk;
}

ExitCode OfProfessor(Session& session, const Key& key) {
  Identificador id;
  if (const auto reason = SetField(id, 0, key.id)) return session.Misused(*reason);
  RelatorioDisciplina report;
  size_t count = 0;
  PortalClient& client = session.client();
  const grpc::Status status =
      client.Stream(&Portal::PrepareAsyncObtemDisciplinasProfessor, client.portal(), id, &report,
                    [&](const RelatorioDisciplina& each) {
                      if (count++ > 0 && !session.json()) session.console().out << '\n';
                      Print(session, each);
                    });
  if (!status.ok()) return session.Failed(status, Effect::kRead);
  if (count > 0) return ExitCode::kOk;
  return ExplainEmpty(session, id, &Admin::ObtemProfessor, "professor",
                      "não leciona nenhuma disciplina");
}

// A row of the table: the message's own fields for programs, flat ones for people.
ordered_json RowOf(const Session& session, const ResumoDisciplina& resumo) {
  if (session.json()) return JsonOf(resumo);
  return {{"sigla", resumo.disciplina().sigla()},
          {"nome", resumo.disciplina().nome()},
          {"professor", NameOfTeacher(resumo)},
          {"vagas", resumo.disciplina().vagas()},
          {"alunos", resumo.totalalunos()}};
}

ExitCode OfAluno(Session& session, const Key& key) {
  Identificador id;
  if (const auto reason = SetField(id, 0, key.id)) return session.Misused(*reason);
  std::vector<ordered_json> rows;  // a student's classes are few
  ResumoDisciplina resumo;
  PortalClient& client = session.client();
  const grpc::Status status =
      client.Stream(&Portal::PrepareAsyncObtemDisciplinasAluno, client.portal(), id, &resumo,
                    [&](const ResumoDisciplina& each) { rows.push_back(RowOf(session, each)); });
  if (!status.ok()) return session.Failed(status, Effect::kRead);
  if (rows.empty()) {
    return ExplainEmpty(session, id, &Admin::ObtemAluno, "aluno",
                        "não está matriculado em nenhuma disciplina");
  }
  RecordPrinter printer(session, {{"sigla", "SIGLA"},
                                  {"nome", "NOME"},
                                  {"professor", "PROFESSOR"},
                                  {"vagas", "VAGAS"},
                                  {"alunos", "ALUNOS"}});
  for (const ordered_json& row : rows) printer.Add(row);
  return ExitCode::kOk;
}

}  // namespace

void DescribeRelatorios(CLI::App& root, CommandSet& set) {
  CLI::App& group = AddGroup(root, "relatorio", "quem leciona e quem estuda o quê");
  const auto argument = [](std::string_view name, std::string_view help) {
    return [name, help](Command& command, Key& key) { command.Argument(name, help, &key.id); };
  };
  set.Add<Key>(group, "disciplina", "uma disciplina, seu professor e seus alunos", &OfDisciplina,
               argument("SIGLA", "sigla da disciplina"));
  set.Add<Key>(group, "aluno", "as disciplinas de um aluno", &OfAluno,
               argument("MATRÍCULA", "número de matrícula do aluno"));
  set.Add<Key>(group, "professor", "as disciplinas de um professor, com os alunos", &OfProfessor,
               argument("SIAPE", "número SIAPE do professor"));
}

}  // namespace matricula::ctl
