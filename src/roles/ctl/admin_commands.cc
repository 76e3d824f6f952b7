// ctl aluno|professor|disciplina create|get|list|update|delete
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "roles/ctl/commands.h"
#include "roles/ctl/portal_client.h"
#include "roles/ctl/records.h"

namespace matricula::ctl {
namespace {

using Admin = project::PortalAdministrativo::Stub;
using project::Identificador;

template <class Record>
using WriteMethod = grpc::Status (Admin::*)(grpc::ClientContext*, const Record&, project::Status*);

// One kind of record: how it is called, what it consists of, and the five calls that it has.
template <class Record>
struct Cadastro {
  std::string_view name;     // the word on the command line
  std::string_view article;  // "o" or "a", for sentences
  std::string_view plural;
  std::vector<Column> columns;          // the first one is the key
  std::vector<std::string_view> helps;  // one per column

  WriteMethod<Record> create;
  WriteMethod<Record> edit;
  WriteMethod<Identificador> remove;
  grpc::Status (Admin::*get)(grpc::ClientContext*, const Identificador&, Record*);
  std::unique_ptr<grpc::ClientAsyncReader<Record>> (Admin::*list)(grpc::ClientContext*,
                                                                  const project::Vazia&,
                                                                  grpc::CompletionQueue*);
};

const Cadastro<project::Aluno>& Alunos() {
  static const Cadastro<project::Aluno> cadastro = {
      "aluno",
      "o",
      "alunos",
      {{"matricula", "MATRÍCULA"}, {"nome", "NOME"}},
      {"número de matrícula, por exemplo 11921BSI209", "nome do aluno"},
      &Admin::NovoAluno,
      &Admin::EditaAluno,
      &Admin::RemoveAluno,
      &Admin::ObtemAluno,
      &Admin::PrepareAsyncObtemTodosAlunos};
  return cadastro;
}

const Cadastro<project::Professor>& Professores() {
  static const Cadastro<project::Professor> cadastro = {
      "professor",
      "o",
      "professores",
      {{"siape", "SIAPE"}, {"nome", "NOME"}},
      {"número SIAPE, por exemplo 1524", "nome do professor"},
      &Admin::NovoProfessor,
      &Admin::EditaProfessor,
      &Admin::RemoveProfessor,
      &Admin::ObtemProfessor,
      &Admin::PrepareAsyncObtemTodosProfessores};
  return cadastro;
}

const Cadastro<project::Disciplina>& Disciplinas() {
  static const Cadastro<project::Disciplina> cadastro = {
      "disciplina",
      "a",
      "disciplinas",
      {{"sigla", "SIGLA"}, {"nome", "NOME"}, {"vagas", "VAGAS"}},
      {"sigla, por exemplo GSI010", "nome da disciplina", "total de vagas, pelo menos 1"},
      &Admin::NovaDisciplina,
      &Admin::EditaDisciplina,
      &Admin::RemoveDisciplina,
      &Admin::ObtemDisciplina,
      &Admin::PrepareAsyncObtemTodasDisciplinas};
  return cadastro;
}

using Texts = std::vector<std::string>;  // one per column of the record

// Says why if the texts make no record of that form.
template <class Record>
std::optional<std::string> Fill(const Texts& texts, Record* record) {
  for (size_t i = 0; i < texts.size(); ++i) {
    if (auto reason = SetField(*record, static_cast<int>(i), texts[i])) return reason;
  }
  return std::nullopt;
}

template <class Record>
ExitCode Write(Session& session, const Cadastro<Record>& cadastro, WriteMethod<Record> method,
               const Texts& texts, std::string_view done) {
  Record record;
  if (const auto reason = Fill(texts, &record)) return session.Misused(*reason);
  project::Status answer;
  PortalClient& client = session.client();
  const grpc::Status status = client.Call(method, client.admin(), record, &answer);
  return session.Answered(
      status, answer, fmt::format("{} {} {}{}", cadastro.name, texts[0], done, cadastro.article));
}

template <class Record>
ExitCode Delete(Session& session, const Cadastro<Record>& cadastro, const Texts& texts) {
  Identificador id;
  if (const auto reason = Fill(texts, &id)) return session.Misused(*reason);
  project::Status answer;
  PortalClient& client = session.client();
  const grpc::Status status = client.Call(cadastro.remove, client.admin(), id, &answer);
  return session.Answered(
      status, answer, fmt::format("{} {} removid{}", cadastro.name, texts[0], cadastro.article));
}

template <class Record>
ExitCode Get(Session& session, const Cadastro<Record>& cadastro, const Texts& texts) {
  Identificador id;
  if (const auto reason = Fill(texts, &id)) return session.Misused(*reason);
  Record record;
  PortalClient& client = session.client();
  const grpc::Status status = client.Call(cadastro.get, client.admin(), id, &record);
  if (!status.ok()) return session.Failed(status, Effect::kRead);
  const auto json = JsonOf(record);
  if (json.begin()->template get<std::string>().empty()) {
    return session.Refused(
        fmt::format("{} {} não encontrad{}", cadastro.name, texts[0], cadastro.article));
  }
  RecordPrinter(session, cadastro.columns).Add(json);
  return ExitCode::kOk;
}

template <class Record>
ExitCode List(Session& session, const Cadastro<Record>& cadastro) {
  RecordPrinter printer(session, cadastro.columns);
  Record record;
  PortalClient& client = session.client();
  const grpc::Status status =
      client.Stream(cadastro.list, client.admin(), project::Vazia(), &record,
                    [&printer](const Record& each) { printer.Add(JsonOf(each)); });
  printer.Flush();
  return status.ok() ? ExitCode::kOk : session.Failed(status, Effect::kRead);
}

// Declares the first `count` columns of the record as arguments.
template <class Record>
auto DescribeTexts(const Cadastro<Record>& cadastro, size_t count) {
  return [&cadastro, count](Command& command, Texts& texts) {
    texts.resize(count);
    for (size_t i = 0; i < count; ++i) {
      command.Argument(cadastro.columns[i].heading, cadastro.helps[i], &texts[i]);
    }
  };
}

template <class Record>
void Describe(CLI::App& root, CommandSet& set, const Cadastro<Record>& cadastro) {
  const std::string name(cadastro.name);
  const std::string plural(cadastro.plural);
  CLI::App& group = AddGroup(root, name, "cadastro de " + plural);
  const std::string one = (cadastro.article == "a" ? "uma " : "um ") + name;
  const size_t all = cadastro.columns.size();
  set.Add<Texts>(
      group, "create", "cadastra " + one,
      [&cadastro](Session& session, const Texts& texts) {
        return Write(session, cadastro, cadastro.create, texts, "cadastrad");
      },
      DescribeTexts(cadastro, all));
  set.Add<Texts>(
      group, "get", "mostra " + one,
      [&cadastro](Session& session, const Texts& texts) { return Get(session, cadastro, texts); },
      DescribeTexts(cadastro, 1));
  set.Add<Texts>(
      group, "list",
      "mostra tod" + std::string(cadastro.article) + "s " + std::string(cadastro.article) + "s " +
          plural,
      [&cadastro](Session& session, const Texts&) { return List(session, cadastro); },
      DescribeTexts(cadastro, 0));
  set.Add<Texts>(
      group, "update", "troca os dados de " + one,
      [&cadastro](Session& session, const Texts& texts) {
        return Write(session, cadastro, cadastro.edit, texts, "atualizad");
      },
      DescribeTexts(cadastro, all));
  set.Add<Texts>(
      group, "delete", "remove " + one + ", e com isso suas matrículas ou aulas",
      [&cadastro](Session& session, const Texts& texts) {
        return Delete(session, cadastro, texts);
      },
      DescribeTexts(cadastro, 1));
}

}  // namespace

void DescribeCadastros(CLI::App& root, CommandSet& set) {
  Describe(root, set, Alunos());
  Describe(root, set, Professores());
  Describe(root, set, Disciplinas());
}

}  // namespace matricula::ctl
