#include "bench/day/journal.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_set>

#include "common/base/ensure.h"
#include "common/domain/rules.h"

namespace matricula::day {

namespace recusa = domain::recusa;

Journal::Journal(const Campus& campus) : campus_(campus), classes_(campus.turmas.size()) {
  for (uint32_t i = 0; i < campus.alunos.size(); ++i) alunos_[campus.alunos[i].matricula] = i;
}

std::string Journal::Name(uint32_t turma, uint32_t aluno) const {
  return fmt::format("{} em {}", campus_.alunos[aluno].matricula, campus_.turmas[turma].sigla);
}

void Journal::CheckRecord(uint32_t turma, const project::RelatorioDisciplina& report) {
  const Turma& expected = campus_.turmas[turma];
  const project::Disciplina& found = report.disciplina();
  if (found.sigla() == expected.sigla && found.vagas() == expected.vagas) return;
  findings_.Add(achado::kCadastroDiferente,
                fmt::format("{} com {} vagas: consta \"{}\" com {}", expected.sigla, expected.vagas,
                            found.sigla(), found.vagas()));
}

void Journal::Start(uint32_t turma, const project::RelatorioDisciplina& report) {
  CheckRecord(turma, report);
  for (const project::Aluno& aluno : report.alunos()) {
    ++classes_[turma].found;
    if (const auto known = alunos_.find(aluno.matricula()); known != alunos_.end()) {
      classes_[turma].pairs[known->second].state = State::kIn;
    } else {
      findings_.Add(
          achado::kCadastroDiferente,
          fmt::format("{}: aluno {} de fora", campus_.turmas[turma].sigla, aluno.matricula()));
    }
  }
}

Journal::Ticket Journal::Begin(Op op, uint32_t turma, uint32_t aluno) {
  Class& entry = classes_[turma];
  Pair& pair = entry.pairs[aluno];
  pair.changed = ++moment_;
  if (op == Op::kEnroll) {
    ++pair.enrolls_open;
    ++entry.enrolls_open;
  } else {
    ++pair.drops_open;
    ++entry.drops_begun;
  }
  return {.op = op, .turma = turma, .aluno = aluno, .drops_before = entry.drops_ok};
}

void Journal::End(const Ticket& ticket, const Answer& answer) {
  Pair& pair = classes_[ticket.turma].pairs.at(ticket.aluno);
  pair.changed = ++moment_;
  if (ticket.op == Op::kEnroll) {
    EndEnroll(ticket, answer, pair);
  } else {
    EndDrop(ticket, answer, pair);
  }
}

void Journal::EndEnroll(const Ticket& ticket, const Answer& answer, Pair& pair) {
  Class& entry = classes_[ticket.turma];
  --pair.enrolls_open;
  --entry.enrolls_open;
  if (answer.kind == Answer::Kind::kOk) {
    if (pair.state == State::kIn) {
      findings_.Add(achado::kConfirmadaDuasVezes, Name(ticket.turma, ticket.aluno));
    }
    pair.state = State::kIn;
    ++entry.enrolls_ok;
    CheckNoOversale(ticket.turma);
    return;
  }
  if (answer.kind == Answer::Kind::kRefused) CheckRefusal(ticket, answer, pair);
  // An answer is certain if it is the only one; a lost try may still be on its way.
  if (answer.kind == Answer::Kind::kUnknown || answer.lost_try) {
    ++entry.enrolls_possible;
    pair.enroll_lost = true;
    if (pair.state == State::kOut) pair.state = State::kPossible;
  }
}

void Journal::EndDrop(const Ticket& ticket, const Answer& answer, Pair& pair) {
  --pair.drops_open;
  if (answer.kind == Answer::Kind::kOk) {
    ++classes_[ticket.turma].drops_ok;
    pair.state = pair.enroll_lost ? State::kPossible : State::kOut;
    return;
  }
  if (answer.kind == Answer::Kind::kRefused && pair.state == State::kIn) {
    findings_.Add(
        achado::kRecusaIndevida,
        fmt::format("desistência de {}: {}", Name(ticket.turma, ticket.aluno), answer.message));
  }
  if (answer.kind == Answer::Kind::kUnknown && pair.state == State::kIn) {
    pair.state = State::kPossible;
  }
}

// A refused enrollment must have had its reason at some moment while it was under way.
void Journal::CheckRefusal(const Ticket& ticket, const Answer& answer, const Pair& pair) {
  const Class& entry = classes_[ticket.turma];
  bool justified = false;
  if (answer.message == recusa::kSemVagas) {
    // The most seats that can have been taken at once: whoever got one, may have got one, or
    // might just be getting one, less those who surely had left before this request began.
    const int64_t most = entry.found + entry.enrolls_ok + entry.enrolls_open +
                         entry.enrolls_possible - ticket.drops_before;
    justified = most >= campus_.turmas[ticket.turma].vagas;
  } else if (answer.message == recusa::kJaMatriculado) {
    justified = pair.state != State::kOut || pair.enrolls_open > 0 || pair.drops_open > 0;
  }
  if (!justified) {
    findings_.Add(achado::kRecusaIndevida,
                  fmt::format("{}: {}", Name(ticket.turma, ticket.aluno), answer.message));
  }
}

// The fewest seats that can be taken: whoever surely got one, less all who may have left.
void Journal::CheckNoOversale(uint32_t turma) {
  const Class& entry = classes_[turma];
  const int64_t fewest = entry.found + entry.enrolls_ok - entry.drops_begun;
  if (fewest > campus_.turmas[turma].vagas) {
    findings_.Add(achado::kVagaVendidaDuasVezes,
                  fmt::format("{}: {} confirmados para {} vagas", campus_.turmas[turma].sigla,
                              fewest, campus_.turmas[turma].vagas));
  }
}

void Journal::EndRepeat(const Ticket& ticket, const Answer& answer) {
  if (answer.kind == Answer::Kind::kRefused) {
    findings_.Add(achado::kRepeticaoNegada,
                  fmt::format("{}: {}", Name(ticket.turma, ticket.aluno), answer.message));
  }
}

bool Journal::IsIn(uint32_t turma, uint32_t aluno) const {
  const auto& pairs = classes_[turma].pairs;
  const auto pair = pairs.find(aluno);
  return pair != pairs.end() && pair->second.state == State::kIn;
}

bool Journal::IsPossible(uint32_t turma, const std::string& matricula) const {
  const auto aluno = alunos_.find(matricula);
  if (aluno == alunos_.end()) return false;
  const auto pair = classes_[turma].pairs.find(aluno->second);
  return pair != classes_[turma].pairs.end() && pair->second.state == State::kPossible;
}

void Journal::CheckReport(uint32_t turma, int64_t asked,
                          const project::RelatorioDisciplina& report) {
  CheckRecord(turma, report);
  const Turma& expected = campus_.turmas[turma];
  if (report.alunos_size() > expected.vagas) {
    findings_.Add(achado::kVagaVendidaDuasVezes,
                  fmt::format("{}: {} alunos em {} vagas", expected.sigla, report.alunos_size(),
                              expected.vagas));
  }
  const auto& pairs = classes_[turma].pairs;
  const auto certain = [&](const Pair& pair, State state) {
    return pair.state == state && pair.enrolls_open == 0 && pair.drops_open == 0 &&
           pair.changed <= asked;
  };
  std::unordered_set<std::string_view> seen;
  for (const project::Aluno& aluno : report.alunos()) {
    if (!seen.insert(aluno.matricula()).second) {
      findings_.Add(achado::kAlunoRepetido,
                    fmt::format("{} em {}", aluno.matricula(), expected.sigla));
    }
    const auto known = alunos_.find(aluno.matricula());
    const auto pair = known == alunos_.end() ? pairs.end() : pairs.find(known->second);
    if (pair == pairs.end() || certain(pair->second, State::kOut)) {
      findings_.Add(achado::kMatriculaIndevida,
                    fmt::format("{} em {}", aluno.matricula(), expected.sigla));
    }
  }
  for (const auto& [aluno, pair] : pairs) {
    if (certain(pair, State::kIn) && !seen.contains(campus_.alunos[aluno].matricula)) {
      findings_.Add(achado::kMatriculaPerdida, Name(turma, aluno));
    }
  }
}

Journal::Totals Journal::totals() const {
  Totals totals;
  for (size_t i = 0; i < classes_.size(); ++i) {
    totals.vagas += campus_.turmas[i].vagas;
    for (const auto& [aluno, pair] : classes_[i].pairs) {
      totals.in += pair.state == State::kIn;
      totals.possible += pair.state == State::kPossible;
    }
  }
  return totals;
}

}  // namespace matricula::day
