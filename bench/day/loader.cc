#include "bench/day/loader.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "bench/day/pump.h"

namespace matricula::day {
namespace {

using Admin = project::PortalAdministrativo::Stub;
using Portal = project::PortalMatricula::Stub;

class Loader {
 public:
  Loader(const Campus& campus, std::string_view prefix, Client& client, const base::Clock& clock,
         Progress& progress)
      : campus_(campus), prefix_(prefix), client_(client), clock_(clock), progress_(progress) {}

  LoadResult Load() {
    const int64_t started_ns = clock_.MonotonicNs();
    LoadPeople();
    LoadClasses();
    result_.elapsed_ns = clock_.MonotonicNs() - started_ns;
    return std::move(result_);
  }

 private:
  void LoadPeople() {
    Each(campus_.alunos.size(), "Alunos", [this](size_t i) {
      project::Aluno aluno;
      aluno.set_matricula(campus_.alunos[i].matricula);
      aluno.set_nome(campus_.alunos[i].nome);
      return Request(&Admin::PrepareAsyncNovoAluno, std::move(aluno));
    });
    Each(campus_.professores.size(), "Professores", [this](size_t i) {
      project::Professor professor;
      professor.set_siape(campus_.professores[i].siape);
      professor.set_nome(campus_.professores[i].nome);
      return Request(&Admin::PrepareAsyncNovoProfessor, std::move(professor));
    });
  }
  void LoadClasses() {
    Each(campus_.turmas.size(), "Disciplinas", [this](size_t i) {
      project::Disciplina disciplina;
      disciplina.set_sigla(campus_.turmas[i].sigla);
      disciplina.set_nome(campus_.turmas[i].nome);
      disciplina.set_vagas(campus_.turmas[i].vagas);
      return Request(&Admin::PrepareAsyncNovaDisciplina, std::move(disciplina));
    });
    Each(campus_.turmas.size(), "Docentes", [this](size_t i) {
      project::DisciplinaPessoa pair;
      pair.set_disciplina(campus_.turmas[i].sigla);
      pair.set_idpessoa(campus_.professores[campus_.turmas[i].professor].siape);
      return Request(&Portal::PrepareAsyncAdicionaProfessor, std::move(pair));
    });
  }
  template <class MakeStarter>
  void Each(size_t count, std::string_view what, MakeStarter&& make) {
    result_.silence |= !Pump(count, what, client_, clock_, progress_, [&](size_t i) {
      client_.Write(make(i), fmt::format("{}-{}", prefix_, next_request_++),
                    [this](Answer answer) { Count(answer); });
    });
  }
  void Count(const Answer& answer) {
    ++result_.records;
    if (answer.kind == Answer::Kind::kRefused) ++result_.refused[answer.message];
    if (answer.kind == Answer::Kind::kUnknown) ++result_.unknown;
  }

  const Campus& campus_;
  const std::string_view prefix_;
  Client& client_;
  const base::Clock& clock_;
  Progress& progress_;
  LoadResult result_;
  uint64_t next_request_ = 0;
};

}  // namespace

LoadResult LoadCampus(const Campus& campus, const std::string& request_prefix, Client& client,
                      const base::Clock& clock, Progress& progress) {
  return Loader(campus, request_prefix, client, clock, progress).Load();
}

bool ReadStart(Client& client, Journal& journal, const base::Clock& clock, Progress& progress) {
  const Campus& campus = journal.campus();
  return Pump(campus.turmas.size(), "Turmas lidas", client, clock, progress, [&](size_t i) {
    const auto turma = static_cast<uint32_t>(i);
    client.Detalha(campus.turmas[i].sigla,
                   [&journal, turma](base::Result<project::RelatorioDisciplina> report) {
                     if (report.ok()) {
                       journal.Start(turma, *report);
                     } else {
                       journal.findings().Add(achado::kSemResposta, report.status().ToString());
                     }
                   });
  });
}

}  // namespace matricula::day
