#include "bench/day/run.h"

#include <fmt/format.h>
#include <unistd.h>

namespace matricula::day {
namespace {

// Ids of another run, remembered by the servers for a day, must not answer for ours.
std::string RunName(const base::Clock& clock) {
  return fmt::format("dia-{:x}-{:x}", clock.WallMs(), getpid());
}

}  // namespace

bool WaitForServers(Client& client) {
  bool answered = false;
  client.DisciplinasAluno("ninguém", [&](const auto& list) { answered = list.ok(); });
  client.Finish();
  return answered;
}

base::Result<DayReport> RunDay(const RunOptions& options, const base::Clock& clock,
                               Progress& progress) {
  const Campus campus = MakeCampus(options.campus);
  const Plan plan = MakePlan(campus, options.plan);
  const std::string name = RunName(clock);
  DayReport report;
  report.seed = options.campus.seed;
  report.speed = options.play.speed;
  report.students = campus.alunos.size();
  report.classes = campus.turmas.size();
  Client client(options.client, clock);
  const base::Status silence(base::Code::kUnavailable, "the servers do not answer");
  if (!WaitForServers(client)) return silence;
  if (options.load) report.load = LoadCampus(campus, name + "-carga", client, clock, progress);
  Journal journal(campus);
  if (report.load.silence || !ReadStart(client, journal, clock, progress)) return silence;

  PlayOptions play = options.play;
  play.request_prefix = name;
  play.seed = options.campus.seed;
  Player player(plan, play, client, journal, clock);
  player.Play(progress);
  report.tally = player.tally();
  report.audit = Audit(options.audit, client, journal, clock, progress);
  report.totals = journal.totals();
  report.findings = journal.findings();
  return report;
}

}  // namespace matricula::day
