#include "bench/day/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench/day/pump.h"
#include "bench/day/random.h"

namespace matricula::day {
namespace {

// A student's class as its list tells it: sigla, seats, teacher, students in it.
struct Line {
  std::string sigla;
  int32_t vagas = 0;
  std::string siape;
  int32_t total = 0;
  auto operator<=>(const Line&) const = default;
};

class Auditor {
 public:
  Auditor(Client& client, Journal& journal, const base::Clock& clock, Progress& progress)
      : client_(client), journal_(journal), clock_(clock), progress_(progress) {}

  AuditResult Run(const AuditOptions& options) {
    const Campus& campus = journal_.campus();
    heard_ &=
        Pump(campus.turmas.size(), "Turmas conferidas", client_, clock_, progress_, [&](size_t i) {
          client_.Detalha(campus.turmas[i].sigla,
                          [this, i, asked = journal_.moment()](
                              base::Result<project::RelatorioDisciplina> report) {
                            OnReport(static_cast<uint32_t>(i), asked, report);
                          });
        });
    const Journal::Totals totals = journal_.totals();
    result_.possible_absent = totals.possible - result_.possible_taken;

    const std::vector<uint32_t> sample = Sample(campus.alunos.size(), options);
    heard_ &= Pump(sample.size(), "Alunos conferidos", client_, clock_, progress_, [&](size_t i) {
      client_.DisciplinasAluno(
          campus.alunos[sample[i]].matricula,
          [this, aluno = sample[i]](base::Result<std::vector<project::ResumoDisciplina>> list) {
            OnList(aluno, list);
          });
    });
    if (!heard_) {
      journal_.findings().Add(achado::kSemResposta, "a conferência foi interrompida");
    }
    return result_;
  }

 private:
  static std::vector<uint32_t> Sample(size_t students, const AuditOptions& options) {
    std::vector<uint32_t> all(students);
    std::iota(all.begin(), all.end(), 0u);
    Random random(options.seed);
    random.Shuffle(all);
    all.resize(std::min<size_t>(students, options.students));
    return all;
  }

  void OnReport(uint32_t turma, int64_t asked,
                const base::Result<project::RelatorioDisciplina>& report) {
    if (!report.ok()) {
      journal_.findings().Add(achado::kSemResposta, report.status().ToString());
      return;
    }
    ++result_.classes;
    result_.enrolled += report->alunos_size();
    journal_.CheckReport(turma, asked, *report);
    for (const project::Aluno& aluno : report->alunos()) {
      if (journal_.IsPossible(turma, aluno.matricula())) ++result_.possible_taken;
      expected_[aluno.matricula()].insert({.sigla = report->disciplina().sigla(),
                                           .vagas = report->disciplina().vagas(),
                                           .siape = report->professor().siape(),
                                           .total = report->alunos_size()});
    }
  }

  void OnList(uint32_t aluno, const base::Result<std::vector<project::ResumoDisciplina>>& list) {
    if (!list.ok()) {
      journal_.findings().Add(achado::kSemResposta, list.status().ToString());
      return;
    }
    ++result_.students;
    std::multiset<Line> found;
    for (const project::ResumoDisciplina& item : *list) {
      found.insert({.sigla = item.disciplina().sigla(),
                    .vagas = item.disciplina().vagas(),
                    .siape = item.professor().siape(),
                    .total = item.totalalunos()});
    }
    const std::string& matricula = journal_.campus().alunos[aluno].matricula;
    const std::multiset<Line>& expected = expected_[matricula];
    if (found != expected) {
      journal_.findings().Add(achado::kEspelhoDiferente,
                              fmt::format("{}: {} turmas na lista, {} nos relatórios", matricula,
                                          found.size(), expected.size()));
    }
  }

  Client& client_;
  Journal& journal_;
  const base::Clock& clock_;
  Progress& progress_;
  AuditResult result_;
  bool heard_ = true;
  std::unordered_map<std::string, std::multiset<Line>> expected_;  // by student
};

}  // namespace

AuditResult Audit(const AuditOptions& options, Client& client, Journal& journal,
                  const base::Clock& clock, Progress& progress) {
  return Auditor(client, journal, clock, progress).Run(options);
}

}  // namespace matricula::day
