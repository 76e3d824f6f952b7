// ctl export
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "roles/ctl/commands.h"
#include "roles/ctl/csv.h"
#include "roles/ctl/import_kind.h"
#include "roles/ctl/portal_client.h"
#include "roles/ctl/records.h"

namespace matricula::ctl {
namespace {

namespace fs = std::filesystem;
using Admin = project::PortalAdministrativo::Stub;
using Portal = project::PortalMatricula::Stub;
using Fields = std::vector<std::string>;
using Put = std::function<void(const Fields&)>;

constexpr const char* kFooter =
    R"(Sem --dir, um só tipo vai para a saída padrão. Com --dir, cada tipo vai para o seu arquivo
(alunos.csv, …), que só aparece quando está completo; sem dizer o tipo, vão todos. Cada arquivo
tem cabeçalho e serve para o import. O que muda durante a exportação pode aparecer em um arquivo e
não em outro.
)";

struct Arguments {
  std::vector<std::string> kinds;
  std::string dir;
};

template <class Record, class Prepare>
grpc::Status ExportRecords(PortalClient& client, Prepare prepare, const Put& put) {
  Record record;
  return client.Stream(prepare, client.admin(), project::Vazia(), &record, [&](const Record& each) {
    Fields fields;
    const nlohmann::ordered_json json = JsonOf(each);
    for (const auto& [key, value] : json.items()) {
      const nlohmann::ordered_json& cell = value;
      fields.push_back(cell.is_string() ? cell.get<std::string>() : cell.dump());
    }
    put(fields);
  });
}

// Calls `look` with the report of every discipline, one call each.
grpc::Status ForEachClass(PortalClient& client,
                          const std::function<void(const project::RelatorioDisciplina&)>& look) {
  std::vector<std::string> siglas;
  project::Disciplina disciplina;
  grpc::Status status = client.Stream(
      &Admin::PrepareAsyncObtemTodasDisciplinas, client.admin(), project::Vazia(), &disciplina,
      [&siglas](const project::Disciplina& each) { siglas.push_back(each.sigla()); });
  for (size_t i = 0; i < siglas.size() && status.ok(); ++i) {
    project::Identificador id;
    id.set_id(siglas[i]);
    project::RelatorioDisciplina report;
    status = client.Call(&Portal::DetalhaDisciplina, client.portal(), id, &report);
    if (status.ok() && !report.disciplina().sigla().empty()) look(report);
  }
  return status;
}

grpc::Status ExportDocentes(PortalClient& client, const Put& put) {
  return ForEachClass(client, [&put](const project::RelatorioDisciplina& report) {
    if (report.has_professor()) put({report.disciplina().sigla(), report.professor().siape()});
  });
}

grpc::Status ExportMatriculas(PortalClient& client, const Put& put) {
  return ForEachClass(client, [&put](const project::RelatorioDisciplina& report) {
    for (const project::Aluno& aluno : report.alunos()) {
      put({report.disciplina().sigla(), aluno.matricula()});
    }
  });
}

grpc::Status Export(PortalClient& client, std::string_view kind, const Put& put) {
  if (kind == "alunos") {
    return ExportRecords<project::Aluno>(client, &Admin::PrepareAsyncObtemTodosAlunos, put);
  }
  if (kind == "professores") {
    return ExportRecords<project::Professor>(client, &Admin::PrepareAsyncObtemTodosProfessores,
                                             put);
  }
  if (kind == "disciplinas") {
    return ExportRecords<project::Disciplina>(client, &Admin::PrepareAsyncObtemTodasDisciplinas,
                                              put);
  }
  return kind == "docentes" ? ExportDocentes(client, put) : ExportMatriculas(client, put);
}

// Writes header and records of one kind.
grpc::Status WriteCsv(PortalClient& client, const ImportKind& kind, std::ostream& out,
                      int64_t* count) {
  Fields header;
  for (const ImportColumn& column : kind.columns) header.emplace_back(column.name);
  out << CsvLine(header) << '\n';
  return Export(client, kind.name, [&](const Fields& fields) {
    out << CsvLine(fields) << '\n';
    ++*count;
  });
}

// The file appears under its name only when it is complete.
ExitCode WriteFile(Session& session, const ImportKind& kind, const std::string& dir,
                   int64_t* count) {
  const fs::path path = fs::path(dir) / (std::string(kind.name) + ".csv");
  const fs::path part = path.string() + ".part";
  std::error_code error;
  std::ofstream out(part, std::ios::binary | std::ios::trunc);
  const grpc::Status status = WriteCsv(session.client(), kind, out, count);
  out.close();
  if (!status.ok() || !out) {
    fs::remove(part, error);
    if (!status.ok()) return session.Failed(status, Effect::kRead);
    return session.Unreachable(fmt::format("não foi possível escrever {}", path.string()));
  }
  fs::rename(part, path, error);
  if (error) {
    return session.Unreachable(
        fmt::format("não foi possível criar {}: {}", path.string(), error.message()));
  }
  return ExitCode::kOk;
}

ExitCode ToFolder(Session& session, const std::vector<const ImportKind*>& kinds,
                  const std::string& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) {
    return session.Misused(fmt::format("não foi possível criar {}: {}", dir, error.message()));
  }
  RecordPrinter printer(session, {{"arquivo", "ARQUIVO"}, {"linhas", "LINHAS"}});
  for (const ImportKind* kind : kinds) {
    int64_t count = 0;
    const ExitCode code = WriteFile(session, *kind, dir, &count);
    if (code != ExitCode::kOk) return code;
    printer.Add({{"arquivo", std::string(kind->name) + ".csv"}, {"linhas", count}});
  }
  return ExitCode::kOk;
}

ExitCode RunExport(Session& session, const Arguments& arguments) {
  std::vector<const ImportKind*> kinds;
  for (const std::string& name : arguments.kinds) {
    kinds.push_back(FindKind(name));
    if (kinds.back() == nullptr) return session.Misused("não existe o tipo " + name);
  }
  if (!arguments.dir.empty()) {
    if (kinds.empty()) {
      for (const ImportKind& kind : ImportKinds()) kinds.push_back(&kind);
    }
    return ToFolder(session, kinds, arguments.dir);
  }
  if (kinds.size() != 1) return session.Misused("diga um tipo, ou uma pasta com --dir");
  int64_t count = 0;
  const grpc::Status status =
      WriteCsv(session.client(), *kinds.front(), session.console().out, &count);
  return status.ok() ? ExitCode::kOk : session.Failed(status, Effect::kRead);
}

}  // namespace

void DescribeExport(CLI::App& root, CommandSet& set) {
  set.Add<Arguments>(
      root, "export", "exporta arquivos CSV", &RunExport,
      [](Command& command, Arguments& arguments) {
        command.app().add_option("TIPO", arguments.kinds,
                                 "alunos, professores, disciplinas, docentes, matriculas");
        command.app()
            .add_option("--dir", arguments.dir, "a pasta dos arquivos; criada se não existe")
            ->option_text("PASTA");
        command.app().footer(kFooter);
      });
}

}  // namespace matricula::ctl
