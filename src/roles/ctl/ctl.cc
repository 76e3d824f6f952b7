#include "roles/ctl/ctl.h"

#include <unistd.h>

#include <iostream>

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/domain/rules.h"
#include "roles/ctl/commands.h"
#include "roles/ctl/help.h"
#include "roles/ctl/session.h"

namespace matricula::ctl {
namespace {

constexpr double kMaxTimeoutSeconds = 24 * 3600;

constexpr const char* kFooter =
    R"(Para programas: com --json, a saída padrão recebe um documento JSON por linha. Uma lista é um
registro por linha. Um comando que falha termina com {"status": CÓDIGO, "msg": "motivo"}; uma
alteração bem-sucedida responde {"status": 0, "msg": ""}.

Código de saída: 0 feito; 1 recusado pelas regras, ou não encontrado; 2 uso incorreto;
69 servidor fora de alcance; 130 interrompido.

Exemplos:
  matriculad ctl aluno create 11921BSI209 "Maycon Silva"
  matriculad ctl disciplina create GSI010 prolog 30
  matriculad ctl matricula add GSI010 11921BSI209
  matriculad ctl relatorio disciplina GSI010
  matriculad ctl import config/sample
  matriculad ctl aluno list --json
)";

void DescribeOptions(CLI::App& root, Options* options) {
  root.set_help_flag("-h,--help", "mostra esta ajuda");
  root.add_option("--server", options->server, "endereço dos portais")
      ->envname("MATRICULAD_SERVER")
      ->option_text("HOST:PORTA")
      ->capture_default_str();
  root.add_option("--portal", options->portal,
                  "endereço do portal de matrícula, se for outro que o de --server")
      ->envname("MATRICULAD_PORTAL")
      ->option_text("HOST:PORTA");
  root.add_option("--kv", options->kv, "endereços do armazenamento, separados por vírgulas")
      ->envname("MATRICULAD_KV")
      ->option_text("HOST:PORTA,…")
      ->capture_default_str();
  root.add_option("--timeout", options->timeout_s, "segundos de espera por uma resposta")
      ->option_text("S")
      ->capture_default_str();
  root.add_option("--request-id", options->request_id,
                  "identifica esta alteração: repeti-la com o mesmo ID não a faz duas vezes")
      ->option_text("ID");
  root.add_flag("--json", options->json, "saída para programas");
}

// What CLI11 cannot see is wrong with the options.
std::string CheckOptions(const Options& options) {
  if (!(options.timeout_s > 0 && options.timeout_s <= kMaxTimeoutSeconds)) {
    return "--timeout deve ser um número de segundos maior que 0";
  }
  if (!domain::IsValidRequestId(options.request_id)) {
    return "--request-id deve ter até 64 caracteres ASCII visíveis";
  }
  return "";
}

ExitCode Misuse(const CLI::App& root, const std::string& reason, const Console& console) {
  const CLI::App& app = DeepestParsed(root);
  console.err << fmt::format("{}\nUso: {}\nMais: {} --help\n", reason, UsageOf(app), PathOf(app));
  return ExitCode::kUsage;
}

}  // namespace

ExitCode RunCtl(const std::vector<std::string>& arguments, const Console& console) {
  Options options;
  Action action;
  CLI::App root("Sistema de Matrícula: a linha de comando.", "matriculad ctl");
  root.formatter(std::make_shared<HelpFormatter>());
  root.fallthrough();  // options may stand anywhere
  root.require_subcommand(1);
  root.option_defaults()->group("Opções");
  DescribeOptions(root, &options);
  CommandSet set(&action);
  for (const CommandGroup& group : CommandGroups()) group.describe(root, set);
  root.footer(kFooter);  // last, or every command would inherit it

  try {
    root.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    console.out << DeepestParsed(root).help() << std::flush;
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    return Misuse(root, ExplainMisuse(root, error), console);
  }
  if (const std::string reason = CheckOptions(options); !reason.empty()) {
    return Misuse(root, reason, console);
  }
  Session session(console, options);
  const ExitCode code = action(session);
  console.out.flush();
  if (!console.out) return session.Unreachable("não foi possível escrever na saída padrão");
  return code;
}

}  // namespace matricula::ctl

namespace matricula::roles {

int RunCtl(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  std::ios::sync_with_stdio(false);
  // What the libraries below have to tell is for operators of servers.
  base::log::SetLevel(base::log::Level::kError);
  const ctl::Console console{std::cout, std::cerr, isatty(STDERR_FILENO) == 1};
  return static_cast<int>(ctl::RunCtl(arguments, console));
}

}  // namespace matricula::roles
