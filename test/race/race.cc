#include "test/race/race.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "common/base/ensure.h"
#include "common/domain/rules.h"
#include "test/race/linearizer.h"

namespace matricula::race {
namespace {

namespace recusa = domain::recusa;
using Admin = project::PortalAdministrativo::Stub;
using Portal = project::PortalMatricula::Stub;

constexpr int64_t kIdleNs = 50'000'000;
// For each history on average: what the easy ones leave is the hard ones'.
constexpr int64_t kMostSteps = 400'000;
constexpr size_t kMostViolations = 3;

// Shares before chance has changed them: what students do, and what the office does.
constexpr std::pair<Kind, double> kStudentsMix[] = {
    {Kind::kEnroll, 55}, {Kind::kDrop, 18}, {Kind::kReport, 12}};
constexpr std::pair<Kind, double> kOfficeMix[] = {{Kind::kEditVagas, 5},
                                                  {Kind::kDeleteStudent, 4},
                                                  {Kind::kCreateStudent, 4},
                                                  {Kind::kDeleteClass, 0.5},
                                                  {Kind::kCreateClass, 1.5}};
// In some races the office is busy, in others it hardly gets in the students' way.
constexpr double kOfficeDiligence[] = {0.05, 0.3, 1};

std::vector<std::pair<Kind, double>> DrawMix(day::Random& random) {
  std::vector<std::pair<Kind, double>> mix(std::begin(kStudentsMix), std::end(kStudentsMix));
  const double diligence = kOfficeDiligence[random.Below(std::size(kOfficeDiligence))];
  for (const auto& [kind, share] : kOfficeMix) mix.emplace_back(kind, share * diligence);
  double all = 0;
  for (auto& [kind, share] : mix) {
    share *= 0.3 + 1.4 * random.Fraction();
    all += share;
  }
  for (auto& [kind, share] : mix) share /= all;
  return mix;
}

bool IsAboutStudent(Kind kind) {
  return kind == Kind::kDeleteStudent || kind == Kind::kCreateStudent;
}

// False for a text that no refusal of this request may have.
bool ReadRefusal(std::string_view reason, Result* result) {
  static constexpr std::pair<std::string_view, Result> kReasons[] = {
      {recusa::kSemVagas, Result::kSemVagas},
      {recusa::kJaMatriculado, Result::kJaMatriculado},
      {recusa::kNaoMatriculado, Result::kNaoMatriculado},
      {recusa::kSemAluno, Result::kSemAluno},
      {recusa::kSemDisciplina, Result::kSemDisciplina},
      {recusa::kVagasAbaixo, Result::kVagasAbaixo},
      {recusa::kAlunoExiste, Result::kExiste},
      {recusa::kDisciplinaExiste, Result::kExiste}};
  for (const auto& [text, meaning] : kReasons) {
    if (text == reason) {
      *result = meaning;
      return true;
    }
  }
  return false;
}

project::Aluno AlunoRecord(const std::string& matricula) {
  project::Aluno aluno;
  aluno.set_matricula(matricula);
  aluno.set_nome("Aluno " + matricula);
  return aluno;
}

project::Disciplina DisciplinaRecord(const std::string& sigla, int32_t vagas) {
  project::Disciplina disciplina;
  disciplina.set_sigla(sigla);
  disciplina.set_nome("Disciplina " + sigla);
  disciplina.set_vagas(vagas);
  return disciplina;
}

}  // namespace

Race::Race(RaceOptions options, day::Client& writer, day::Client& reader, const base::Clock& clock)
    : options_(std::move(options)),
      writer_(writer),
      reader_(reader),
      clock_(clock),
      random_(options_.seed),
      mix_(DrawMix(random_)),
      histories_(options_.classes),
      last_rosters_(options_.classes) {
  ENSURE(options_.students > 0 && static_cast<size_t>(options_.students) <= kMostStudents,
         "a class remembers so many students only");
}

std::string Race::Sigla(size_t turma) const {
  return fmt::format("{}T{:03}", options_.prefix, turma);
}

std::string Race::Matricula(size_t student) const {
  return fmt::format("{}A{:03}", options_.prefix, student);
}

RaceResult Race::Run() {
  SetUp();
  left_ = int64_t{options_.clients} * options_.requests;
  for (int client = 0; client < options_.clients; ++client) Next();
  Drive();
  for (size_t turma = 0; turma < histories_.size(); ++turma) Read(turma, false);
  Drive();
  JudgeHistories();
  CheckLists();
  return std::move(result_);
}

// Answers come one by one; each may begin further requests.
void Race::Drive() {
  while (writer_.under_way() + reader_.under_way() > 0) {
    if (writer_.under_way() == 0) {
      reader_.Poll(clock_.MonotonicNs() + kIdleNs);
    } else if (reader_.under_way() == 0) {
      writer_.Poll(clock_.MonotonicNs() + kIdleNs);
    } else {
      writer_.Poll(clock_.MonotonicNs() + kIdleNs / 100);
      reader_.Poll(clock_.MonotonicNs());
    }
  }
}

void Race::SetUp() {
  const auto insist = [this](const day::Starter<project::Status>& write) {
    reader_.Write(write, fmt::format("{}-{}", options_.prefix, next_id_++),
                  [this](const day::Answer& answer) {
                    if (answer.kind == day::Answer::Kind::kOk) return;
                    result_.violations.push_back("setting up: " + answer.message);
                  });
  };
  for (int student = 0; student < options_.students; ++student) {
    insist(day::Request(&Admin::PrepareAsyncNovoAluno, AlunoRecord(Matricula(student))));
  }
  for (int turma = 0; turma < options_.classes; ++turma) {
    insist(day::Request(&Admin::PrepareAsyncNovaDisciplina,
                        DisciplinaRecord(Sigla(turma), options_.seats)));
  }
  Drive();
}

Race::Request Race::Draw() {
  Request request;
  request.turma = random_.Below(histories_.size());
  double left = random_.Fraction();
  for (const auto& [kind, share] : mix_) {
    request.event.kind = kind;
    left -= share;
    if (left < 0) break;
  }
  request.event.student = static_cast<uint32_t>(random_.Below(options_.students));
  request.event.vagas = static_cast<int32_t>(1 + random_.Below(2 * options_.seats));
  return request;
}

// A client's next request, if it has any left.
void Race::Next() {
  if (left_ == 0) return;
  --left_;
  Request request = Draw();
  if (request.event.kind == Kind::kReport) {
    Read(request.turma, true);
  } else {
    Write(std::move(request));
  }
}

day::Starter<project::Status> Race::MakeWrite(const Request& request) const {
  const Event& event = request.event;
  project::DisciplinaPessoa pair;
  pair.set_disciplina(Sigla(request.turma));
  pair.set_idpessoa(Matricula(event.student));
  project::Identificador id;
  switch (event.kind) {
    case Kind::kEnroll:
      return day::Request(&Portal::PrepareAsyncAdicionaAluno, pair);
    case Kind::kDrop:
      return day::Request(&Portal::PrepareAsyncRemoveAluno, pair);
    case Kind::kEditVagas:
      return day::Request(&Admin::PrepareAsyncEditaDisciplina,
                          DisciplinaRecord(Sigla(request.turma), event.vagas));
    case Kind::kCreateClass:
      return day::Request(&Admin::PrepareAsyncNovaDisciplina,
                          DisciplinaRecord(Sigla(request.turma), event.vagas));
    case Kind::kDeleteClass:
      id.set_id(pair.disciplina());
      return day::Request(&Admin::PrepareAsyncRemoveDisciplina, id);
    case Kind::kCreateStudent:
      return day::Request(&Admin::PrepareAsyncNovoAluno, AlunoRecord(pair.idpessoa()));
    default:
      id.set_id(pair.idpessoa());
      return day::Request(&Admin::PrepareAsyncRemoveAluno, id);
  }
}

void Race::Write(Request request) {
  ++result_.requests;
  auto write = MakeWrite(request);
  writer_.Write(std::move(write), fmt::format("{}-{}", options_.prefix, next_id_++),
                [this, request = std::move(request)](const day::Answer& answer) {
                  OnWritten(request, answer);
                });
}

void Race::OnWritten(Request request, const day::Answer& answer) {
  Event& event = request.event;
  event.start_ns = answer.started_ns;
  event.end_ns = answer.ended_ns;
  Event late = event;
  late.result = Result::kUnknown;
  late.end_ns = kNever;
  if (answer.kind == day::Answer::Kind::kUnknown) {
    ++result_.unknown;
    Note(request, late);
    // Nobody is there, it seems: the client looks until somebody is.
    Read(request.turma, true);
    return;
  }
  ++(answer.kind == day::Answer::Kind::kOk ? result_.ok : result_.refused);
  if (answer.kind == day::Answer::Kind::kOk) {
    event.result = Result::kOk;
  } else if (!ReadRefusal(answer.message, &event.result)) {
    result_.violations.push_back("unexpected refusal: " + answer.message);
  }
  Note(request, event);
  // An earlier try that was not answered may still take effect.
  if (event.result != Result::kOk && answer.lost_try) Note(request, late);
  Next();
}

// What happens to a student happens in every class.
void Race::Note(const Request& request, Event event) {
  if (!IsAboutStudent(event.kind)) {
    histories_[request.turma].push_back(event);
    return;
  }
  for (History& history : histories_) history.push_back(event);
  const bool seats_follow = event.kind == Kind::kDeleteStudent && !IsRead(event);
  event.kind = Kind::kFreeSeat;
  if (!seats_follow) return;
  for (History& history : histories_) history.push_back(event);
}

void Race::Read(size_t turma, bool counted) {
  if (counted) ++result_.requests;
  const int64_t start_ns = clock_.MonotonicNs();
  reader_.Detalha(Sigla(turma), [this, turma, counted,
                                 start_ns](base::Result<project::RelatorioDisciplina> report) {
    if (!report.ok()) {
      result_.violations.push_back("no report: " + report.status().ToString());
      return;
    }
    Event event;
    event.kind = Kind::kReport;
    event.exists = report->has_disciplina();
    event.vagas = report->disciplina().vagas();
    event.start_ns = start_ns;
    event.end_ns = clock_.MonotonicNs();
    const size_t digits = options_.prefix.size() + 1;
    for (const project::Aluno& aluno : report->alunos()) {
      event.roster.set(std::stoul(aluno.matricula().substr(digits)));
    }
    if (static_cast<int>(event.roster.count()) != report->alunos_size()) {
      result_.violations.push_back("a student twice on the report of " + Sigla(turma));
    }
    histories_[turma].push_back(event);
    last_rosters_[turma] = event.roster;
    if (counted) Next();
  });
}

void Race::JudgeHistories() {
  ClassModel initial;
  initial.exists = true;
  initial.vagas = options_.seats;
  for (int student = 0; student < options_.students; ++student) {
    initial.enrolled_at_school.set(student);
  }
  int64_t steps_left = kMostSteps * static_cast<int64_t>(histories_.size());
  std::vector<std::pair<size_t, std::unique_ptr<Linearizer>>> hard;
  const auto judge = [&](size_t turma, Linearizer& linearizer, int64_t steps) {
    const int64_t before = linearizer.steps();
    const Verdict verdict = linearizer.Check(steps);
    steps_left -= linearizer.steps() - before;
    if (verdict == Verdict::kNo && result_.violations.size() < kMostViolations) {
      result_.violations.push_back(
          fmt::format("no order explains {}: {}", Sigla(turma), linearizer.Explain()));
    }
    return verdict;
  };
  for (size_t turma = 0; turma < histories_.size(); ++turma) {
    auto linearizer = std::make_unique<Linearizer>(histories_[turma], initial);
    if (judge(turma, *linearizer, kMostSteps) == Verdict::kUndecided) {
      hard.emplace_back(turma, std::move(linearizer));
    }
  }
  for (size_t i = 0; i < hard.size(); ++i) {
    const int64_t share = steps_left / static_cast<int64_t>(hard.size() - i);
    const auto& [turma, linearizer] = hard[i];
    if (judge(turma, *linearizer, share) == Verdict::kUndecided) ++result_.undecided;
  }
}

void Race::CheckLists() {
  for (int student = 0; student < options_.students; ++student) {
    std::set<std::string> expected;
    for (size_t turma = 0; turma < last_rosters_.size(); ++turma) {
      if (last_rosters_[turma][student]) expected.insert(Sigla(turma));
    }
    reader_.DisciplinasAluno(
        Matricula(student), [this, student, expected = std::move(expected)](
                                base::Result<std::vector<project::ResumoDisciplina>> list) {
          std::set<std::string> found;
          if (list.ok()) {
            for (const auto& item : *list) found.insert(item.disciplina().sigla());
          }
          if (!list.ok() || found != expected) {
            result_.violations.push_back(
                fmt::format("the list of {} has {} classes, the reports {}", Matricula(student),
                            found.size(), expected.size()));
          }
        });
  }
  Drive();
}

}  // namespace matricula::race
