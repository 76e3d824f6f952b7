// ctl import
#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "roles/ctl/commands.h"
#include "roles/ctl/import_run.h"

namespace matricula::ctl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFooter =
    R"(O que há em um arquivo se vê pelo começo do seu nome, ou se diz com --kind:
  alunos*.csv        matricula,nome
  professores*.csv   siape,nome
  disciplinas*.csv   sigla,nome,vagas
  docentes*.csv      disciplina,siape
  matriculas*.csv    disciplina,matricula
Entram nesta ordem, seja qual for a dos argumentos. Uma pasta vale por todos os seus arquivos
assim chamados. Um cabeçalho é opcional; com ele, as colunas podem estar em qualquer ordem.
UTF-8, campos entre aspas quando preciso, separados por vírgula ou ponto e vírgula.

Uma linha ruim é relatada (arquivo:linha: motivo) e as demais entram. Várias linhas são enviadas
ao mesmo tempo; se a ordem de chegada importa (turma quase cheia), use --in-flight 1.
Ctrl-C para de ler, espera as respostas pendentes e diz até onde chegou.
)";

struct Arguments {
  std::vector<std::string> paths;
  std::string kind;
  bool dry_run = false;
  int in_flight = kDefaultInFlight;
  std::string resume;
};

std::string KindNames() {
  std::string names;
  for (const ImportKind& kind : ImportKinds())
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  return names;
}

// Adds the folder's files that have a known name. Says why if there is none.
std::string AddFolder(const std::string& path, std::vector<ImportSource>* sources) {
  const size_t before = sources->size();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    const ImportKind* const kind = FindKindOfFile(entry.path().string());
    if (kind != nullptr && entry.path().extension() == ".csv") {
      sources->push_back({entry.path().string(), kind});
    }
  }
  if (error) return fmt::format("não foi possível ler {}: {}", path, error.message());
  if (sources->size() == before) return fmt::format("não há em {} nenhum arquivo a importar", path);
  return "";
}

std::string AddSource(const std::string& path, const ImportKind* kind,
                      std::vector<ImportSource>* sources) {
  std::error_code error;
  if (path != "-" && fs::is_directory(path, error)) return AddFolder(path, sources);
  if (path != "-" && !fs::exists(path, error)) return fmt::format("não existe: {}", path);
  if (kind == nullptr && path != "-") kind = FindKindOfFile(path);
  if (kind == nullptr) return fmt::format("não se sabe o que há em {}; diga com --kind", path);
  sources->push_back({path, kind});
  return "";
}

// In the order in which they must go in.
void Sort(std::vector<ImportSource>* sources) {
  std::sort(sources->begin(), sources->end(), [](const ImportSource& a, const ImportSource& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.path < b.path;  // kinds stand in their table
  });
}

ExitCode Import(Session& session, const Arguments& arguments) {
  const ImportKind* const kind = FindKind(arguments.kind);
  if (kind == nullptr && !arguments.kind.empty()) {
    return session.Misused("--kind deve ser um destes: " + KindNames());
  }
  if (arguments.in_flight < 1 || arguments.in_flight > kMaxInFlight) {
    return session.Misused(fmt::format("--in-flight deve ser de 1 a {}", kMaxInFlight));
  }
  std::vector<ImportSource> sources;
  for (const std::string& path : arguments.paths) {
    const std::string problem = AddSource(path, kind, &sources);
    if (!problem.empty()) return session.Misused(problem);
  }
  Sort(&sources);
  const std::string run_id = arguments.resume.empty() ? NewRunId() : arguments.resume;
  return ImportRun(session, {arguments.dry_run, arguments.in_flight, run_id}).Run(sources);
}

}  // namespace

void DescribeImport(CLI::App& root, CommandSet& set) {
  set.Add<Arguments>(
      root, "import", "importa arquivos CSV", &Import, [](Command& command, Arguments& arguments) {
        CLI::App& app = command.app();
        app.add_option("ARQUIVO", arguments.paths, "arquivo ou pasta; - é a entrada padrão")
            ->required();
        app.add_option("--kind", arguments.kind, "o que há nos arquivos: " + KindNames())
            ->option_text("TIPO");
        app.add_flag("--dry-run", arguments.dry_run, "só confere os arquivos, sem enviar nada");
        app.add_option("--in-flight", arguments.in_flight, "linhas enviadas ao mesmo tempo")
            ->option_text("N")
            ->capture_default_str();
        app.add_option("--resume", arguments.resume,
                       "continua uma importação: o que ela já fez não é feito de novo")
            ->option_text("EXECUÇÃO");
        app.footer(kFooter);
      });
}

}  // namespace matricula::ctl
