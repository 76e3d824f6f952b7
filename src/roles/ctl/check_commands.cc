// ctl check
#include <future>

#include <absl/strings/str_split.h>
#include <fmt/format.h>

#include "common/base/clock.h"
#include "common/domain/check.h"
#include "common/domain/commit.h"
#include "common/domain/timer.h"
#include "common/store/etcd_store.h"
#include "roles/ctl/commands.h"
#include "roles/ctl/utf8.h"

namespace matricula::ctl {
namespace {

using base::Result;
using domain::CheckReport;
using nlohmann::ordered_json;

constexpr const char* kFooter =
    "Lê o armazenamento (--kv) em uma só revisão e confere, para cada disciplina, que as vagas\n"
    "ocupadas são tantas quantas as matrículas e não mais que as vagas, que os índices por aluno "
    "e\n"
    "por professor são o espelho exato das turmas, e que todo registro está bem formado.\n"
    "Código de saída: 0 tudo certo; 1 há violações.\n";

struct Arguments {};

Result<CheckReport> CheckStore(const Options& options) {
  const base::Clock& clock = base::SystemClock();
  store::EtcdStoreOptions store_options;
  store_options.endpoints = absl::StrSplit(options.kv, ',', absl::SkipEmpty());
  store_options.request_timeout_ms = options.timeout_ms();
  auto store = store::EtcdStore::Create(store_options, clock);
  if (!store.ok()) return store.status();
  domain::ThreadTimer timer(clock);
  domain::Transactor::Options transactor_options;
  transactor_options.budget_ms = options.timeout_ms();
  domain::Transactor transactor(**store, timer, clock, transactor_options);

  std::promise<Result<CheckReport>> promise;
  domain::Check(transactor,
                [&promise](Result<CheckReport> report) { promise.set_value(std::move(report)); });
  Result<CheckReport> report = promise.get_future().get();
  transactor.Drain();
  timer.Close();
  return report;
}

void Print(Session& session, const CheckReport& report) {
  if (session.json()) {
    session.PrintJson({{"revisao", report.revision},
                       {"alunos", report.alunos},
                       {"professores", report.professores},
                       {"disciplinas", report.disciplinas},
                       {"matriculas", report.matriculas},
                       {"remocoes_em_curso", report.pending_removals},
                       {"violacoes_ao_todo", report.violations_in_all},
                       {"violacoes", report.violations}});
    return;
  }
  std::ostream& out = session.console().out;
  for (const std::string& violation : report.violations) out << Printable(violation) << '\n';
  out << fmt::format("revisão {}: {} alunos, {} professores, {} disciplinas, {} matrículas\n",
                     report.revision, report.alunos, report.professores, report.disciplinas,
                     report.matriculas);
  if (report.pending_removals > 0) {
    out << fmt::format("remoções em curso: {}\n", report.pending_removals);
  }
  if (report.ok()) out << "tudo certo\n";
}

ExitCode Check(Session& session, const Arguments&) {
  const Result<CheckReport> report = CheckStore(session.options());
  if (!report.ok()) {
    const std::string reason =
        fmt::format("armazenamento {}: {}", session.options().kv, report.status().ToString());
    return report.status().code() == base::Code::kInvalidArgument ? session.Misused(reason)
                                                                  : session.Unreachable(reason);
  }
  Print(session, *report);
  if (report->ok()) return ExitCode::kOk;
  return session.Refused(fmt::format("violações: {}", report->violations_in_all));
}

}  // namespace

void DescribeCheck(CLI::App& root, CommandSet& set) {
  set.Add<Arguments>(root, "check", "confere todo o armazenamento", &Check,
                     [](Command& command, Arguments&) { command.app().footer(kFooter); });
}

}  // namespace matricula::ctl
