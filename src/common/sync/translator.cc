#include "common/sync/translator.h"

#include <utility>

#include "common/domain/keys.h"
#include "common/domain/records.h"
#include "common/sync/await.h"

namespace matricula::sync {
namespace {

using base::Code;
using base::Result;
using base::Status;
using etcdserverpb::RangeRequest;
using etcdserverpb::RangeResponse;
using mvccpb::Event;

Action ActionOf(const Event& event) {
  if (event.type() == Event::DELETE) return Action::kDelete;
  return event.kv().version() == 1 ? Action::kCreate : Action::kUpdate;
}

// Of a change of aluno/…, professor/… or disciplina/…; nothing if key or value are not ours.
template <class Record, class Decode, class SetKey>
std::optional<BusEvent> RecordChange(const Event& event, std::string_view prefix, Decode decode,
                                     SetKey set_key) {
  const Action action = ActionOf(event);
  if (action == Action::kDelete) {
    auto id = domain::IdOfKey(event.kv().key(), prefix);
    if (!id) return std::nullopt;
    Record record;
    set_key(record, *std::move(id));
    return BusEvent(RecordEvent<Record>{action, std::move(record)});
  }
  auto record = decode(event.kv().value());
  if (!record.ok()) return std::nullopt;
  return BusEvent(RecordEvent<Record>{action, *std::move(record)});
}

std::optional<BusEvent> PairChange(const Event& event, std::string_view prefix,
                                   MatriculaEvent::Who who) {
  // An enrollment or a teacher is there or not; putting it again says nothing new.
  if (ActionOf(event) == Action::kUpdate) return std::nullopt;
  auto ids = domain::IdsOfKey(event.kv().key(), prefix);
  if (!ids) return std::nullopt;
  const bool aluno = who == MatriculaEvent::Who::kAluno;
  MatriculaEvent change;
  change.who = who;
  change.added = event.type() == Event::PUT;
  // matricula/<sigla>/<matricula>, but professor-turma/<siape>/<sigla>.
  change.par.set_disciplina(aluno ? ids->first : ids->second);
  change.par.set_idpessoa(aluno ? ids->second : ids->first);
  return BusEvent(std::move(change));
}

std::optional<BusEvent> Change(const Event& event) {
  const std::string& key = event.kv().key();
  if (key.starts_with(domain::kMatriculaPrefix)) {
    return PairChange(event, domain::kMatriculaPrefix, MatriculaEvent::Who::kAluno);
  }
  if (key.starts_with(domain::kProfessorTurmaPrefix)) {
    return PairChange(event, domain::kProfessorTurmaPrefix, MatriculaEvent::Who::kProfessor);
  }
  if (key.starts_with(domain::kAlunoPrefix)) {
    return RecordChange<project::Aluno>(
        event, domain::kAlunoPrefix, &domain::DecodeAluno,
        [](project::Aluno& aluno, std::string id) { aluno.set_matricula(std::move(id)); });
  }
  if (key.starts_with(domain::kProfessorPrefix)) {
    return RecordChange<project::Professor>(
        event, domain::kProfessorPrefix, &domain::DecodeProfessor,
        [](project::Professor& professor, std::string id) { professor.set_siape(std::move(id)); });
  }
  if (key.starts_with(domain::kDisciplinaPrefix)) {
    return RecordChange<project::Disciplina>(event, domain::kDisciplinaPrefix,
                                             &domain::DecodeDisciplina,
                                             [](project::Disciplina& disciplina, std::string id) {
                                               disciplina.set_sigla(std::move(id));
                                             });
  }
  return std::nullopt;
}

MatriculaEvent* StudentEvent(BusEvent& event) {
  auto* pair = std::get_if<MatriculaEvent>(&event);
  return pair != nullptr && pair->who == MatriculaEvent::Who::kAluno ? pair : nullptr;
}

}  // namespace

Result<std::vector<BusEvent>> Translator::Translate(std::span<const Event* const> changes) {
  std::vector<BusEvent> events;
  for (const Event* change : changes) {
    auto event = Change(*change);
    if (!event) continue;
    if (const auto* disciplina = std::get_if<DisciplinaEvent>(&*event)) {
      const std::string& sigla = disciplina->record.sigla();
      disciplina->action == Action::kDelete ? Forget(sigla)
                                            : Remember(sigla, disciplina->record.vagas());
    }
    events.push_back(*std::move(event));
  }
  RETURN_IF_ERROR(CountSeats(changes, events));
  return events;
}

Status Translator::CountSeats(std::span<const Event* const> changes,
                              std::vector<BusEvent>& events) {
  std::map<std::string, int> taken;  // by class: seats taken before the event that comes next
  for (const Event* change : changes) {
    const auto sigla = domain::IdOfKey(change->kv().key(), domain::kTurmaPrefix);
    if (!sigla || change->type() == Event::DELETE) continue;
    const auto turma = domain::DecodeTurma(change->kv().value());
    if (turma.ok()) taken[*sigla] = turma->ocupadas;
  }
  // The revision has the counter as it is after all of its events: go back to before them.
  for (BusEvent& event : events) {
    const MatriculaEvent* student = StudentEvent(event);
    if (student == nullptr) continue;
    const auto found = taken.find(student->par.disciplina());
    if (found != taken.end()) found->second -= student->added ? 1 : -1;
  }
  for (BusEvent& event : events) {
    MatriculaEvent* student = StudentEvent(event);
    if (student == nullptr) continue;
    const auto found = taken.find(student->par.disciplina());
    if (found == taken.end()) continue;  // the class itself is gone
    found->second += student->added ? 1 : -1;
    const auto vagas = VagasAt(found->first, changes.front()->kv().mod_revision());
    RETURN_IF_ERROR(vagas.status());
    if (*vagas) student->vagas = **vagas - found->second;
  }
  return base::OkStatus();
}

Result<std::optional<int>> Translator::VagasAt(const std::string& sigla, int64_t revision) {
  const auto known = seats_.find(sigla);
  if (known != seats_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, known->second.used);
    return std::optional<int>(known->second.vagas);
  }
  RangeRequest request;
  request.set_key(domain::DisciplinaKey(sigla));
  request.set_revision(revision);
  const auto response = Await<RangeResponse>(
      [&](base::Done<RangeResponse> done) { store_.Range(request, std::move(done)); });
  if (!response.ok()) {
    const bool compacted = response.status().code() == Code::kOutOfRange;
    if (compacted) return std::optional<int>();
    return response.status();
  }
  if (response->kvs().empty()) return std::optional<int>();
  const auto disciplina = domain::DecodeDisciplina(response->kvs(0).value());
  if (!disciplina.ok()) return std::optional<int>();
  Remember(sigla, disciplina->vagas());
  return std::optional<int>(disciplina->vagas());
}

void Translator::Remember(const std::string& sigla, int vagas) {
  Forget(sigla);
  by_use_.push_front(sigla);
  seats_[sigla] = {vagas, by_use_.begin()};
  if (seats_.size() > kMaxRemembered) Forget(std::string(by_use_.back()));
}

void Translator::Forget(const std::string& sigla) {
  const auto known = seats_.find(sigla);
  if (known == seats_.end()) return;
  by_use_.erase(known->second.used);
  seats_.erase(known);
}

}  // namespace matricula::sync
