#include "common/domain/cadastro.h"

#include <utility>
#include <vector>

#include "common/base/log.h"
#include "common/domain/commit.h"
#include "common/domain/keys.h"
#include "common/domain/optimistic.h"
#include "common/domain/pages.h"
#include "common/domain/pedido.h"
#include "common/domain/records.h"
#include "common/domain/removal.h"
#include "common/domain/txn.h"

namespace matricula::domain {
namespace {

using base::Result;
using base::Status;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// Attempts of a create that finds the records changed each time.
constexpr int kMaxAttempts = 12;
// Between attempts, in the background, to finish a removal.
constexpr int64_t kFinishPauseMs = 2'000;
// The pause doubles up to this, however long the store is away.
constexpr int64_t kMostFinishPauseMs = 60'000;

// A record to be written.
struct Record {
  const Kind& kind;
  std::string id;
  std::string value;

  std::string Key() const { return std::string(kind.prefix) + EncodeId(id); }
};

// Where the answers of a failed create stand.
enum CreateIndex { kPedidoAt, kRecordAt, kMarkerAt };

TxnRequest CreateTxn(const Record& record, const Pedido& pedido, int64_t lease_id) {
  TxnRequest txn;
  RequireAbsent(txn, record.Key());
  RequireAbsent(txn, RemocaoKey(record.kind.name, record.id));
  AddPedido(txn, pedido, lease_id);
  AddPut(txn.mutable_success(), record.Key(), record.value);
  if (record.kind.name == kKindDisciplina) {
    AddPut(txn.mutable_success(), TurmaKey(record.id), EncodeTurma(Turma()));
  }
  AddPedidoGet(txn.mutable_failure(), pedido);
  AddCount(txn.mutable_failure(), record.Key());
  AddCount(txn.mutable_failure(), RemocaoKey(record.kind.name, record.id));
  return txn;
}

Task<Result<project::Status>> Create(Transactor& transactor, Record record, Pedido pedido) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    Write write;
    write.pedidos = pedido.count();
    write.build = [&](int64_t lease_id) { return CreateTxn(record, pedido, lease_id); };
    const auto outcome = co_await transactor.Commit(std::move(write));
    if (!outcome.ok()) co_return outcome.status();
    if (outcome->applied) co_return Feito();
    auto judged = JudgePedidoAt(outcome->response, kPedidoAt, pedido);
    if (!judged.ok()) co_return judged.status();
    if (*judged) co_return std::move(**judged);
    if (CountAt(outcome->response, kRecordAt) > 0) co_return Recusa(record.kind.existe);
    if (CountAt(outcome->response, kMarkerAt) > 0) {
      // The former record of this name is still being removed.
      const auto finished = co_await FinishRemoval(transactor, record.kind, record.id);
      if (!finished.ok()) co_return finished.status();
    }
  }
  co_return ContentionStatus();
}

// A student or professor; nothing else depends on what is in their records.
Task<Result<project::Status>> Edit(Transactor& transactor, Record record, Pedido pedido) {
  int64_t revision = 0;
  OptimisticWrite write;
  write.pedidos = pedido.count();
  write.add_reads = [&](Operations* reads) {
    AddPedidoGet(reads, pedido);
    AddGet(reads, record.Key());
  };
  write.judge = [&](const TxnResponse& response, int first) {
    auto judged = JudgePedidoAt(response, first, pedido);
    if (!judged.ok() || *judged) return judged;
    const auto* stored = PairAt(response, first + 1);
    if (stored == nullptr) return OptimisticWrite::Judgement(Recusa(record.kind.ausente));
    revision = stored->mod_revision();
    return judged;
  };
  write.build = [&](int64_t lease_id) {
    TxnRequest txn;
    RequireRevision(txn, record.Key(), revision);
    AddPedido(txn, pedido, lease_id);
    AddPut(txn.mutable_success(), record.Key(), record.value);
    return txn;
  };
  co_return co_await RunOptimistic(transactor, std::move(write));
}

// The cap may not fall below the seats taken, so lowering it compares the counter as well.
class DisciplinaEdit {
 public:
  DisciplinaEdit(project::Disciplina disciplina, Pedido pedido)
      : disciplina_(std::move(disciplina)), pedido_(std::move(pedido)) {}

  Task<Result<project::Status>> Run(Transactor& transactor) {
    OptimisticWrite write;
    write.pedidos = pedido_.count();
    write.contended_key = TurmaKey(disciplina_.sigla());
    write.add_reads = [this](Operations* reads) {
      AddPedidoGet(reads, pedido_);
      AddGet(reads, DisciplinaKey(disciplina_.sigla()));
      AddGet(reads, TurmaKey(disciplina_.sigla()));
    };
    write.judge = [this](const TxnResponse& response, int first) { return Judge(response, first); };
    write.build = [this](int64_t lease_id) { return Build(lease_id); };
    co_return co_await RunOptimistic(transactor, std::move(write));
  }

 private:
  OptimisticWrite::Judgement Judge(const TxnResponse& response, int first) {
    auto judged = JudgePedidoAt(response, first, pedido_);
    if (!judged.ok() || *judged) return judged;
    const auto* stored = PairAt(response, first + 1);
    const auto* turma = PairAt(response, first + 2);
    if (stored == nullptr || turma == nullptr) return std::optional(Recusa(recusa::kSemDisciplina));
    const auto old = DecodeDisciplina(stored->value());
    if (!old.ok()) return AboutKey(old.status(), stored->key());
    const auto counter = DecodeTurma(turma->value());
    if (!counter.ok()) return AboutKey(counter.status(), turma->key());
    if (disciplina_.vagas() < counter->ocupadas) return std::optional(Recusa(recusa::kVagasAbaixo));
    revision_ = stored->mod_revision();
    turma_revision_ = turma->mod_revision();
    lowers_ = disciplina_.vagas() < old->vagas();
    return judged;
  }

  TxnRequest Build(int64_t lease_id) const {
    TxnRequest txn;
    RequireRevision(txn, DisciplinaKey(disciplina_.sigla()), revision_);
    if (lowers_) RequireRevision(txn, TurmaKey(disciplina_.sigla()), turma_revision_);
    AddPedido(txn, pedido_, lease_id);
    AddPut(txn.mutable_success(), DisciplinaKey(disciplina_.sigla()),
           EncodeDisciplina(disciplina_));
    return txn;
  }

  const project::Disciplina disciplina_;
  const Pedido pedido_;
  int64_t revision_ = 0;
  int64_t turma_revision_ = 0;
  bool lowers_ = false;
};

Task<Result<project::Status>> EditDisciplina(Transactor& transactor, project::Disciplina disciplina,
                                             Pedido pedido) {
  DisciplinaEdit edit(std::move(disciplina), std::move(pedido));
  co_return co_await edit.Run(transactor);
}

// One record, or a blank one.
template <class T, Result<T> (*Decode)(std::string_view)>
Task<Result<T>> Obtem(Transactor& transactor, std::string key) {
  etcdserverpb::RangeRequest request;
  request.set_key(key);
  const auto response = co_await transactor.Read(std::move(request));
  if (!response.ok()) co_return response.status();
  if (response->kvs().empty()) co_return T();
  auto decoded = Decode(response->kvs(0).value());
  if (!decoded.ok()) co_return AboutKey(decoded.status(), key);
  co_return decoded;
}

template <class T, Result<T> (*Decode)(std::string_view)>
class Listing {
 public:
  Listing(Transactor& transactor, std::string_view prefix)
      : reader_(transactor, std::string(prefix), Values::kWith) {}

  Task<Result<std::vector<T>>> Next() {
    const auto pairs = co_await reader_.Next(kMaxPageItems);
    if (!pairs.ok()) co_return pairs.status();
    std::vector<T> records;
    records.reserve(pairs->size());
    for (const auto& pair : *pairs) {
      auto decoded = Decode(pair.value());
      if (!decoded.ok()) co_return AboutKey(decoded.status(), pair.key());
      records.push_back(std::move(*decoded));
    }
    co_return records;
  }

 private:
  PrefixReader reader_;
};

template <class T, Result<T> (*Decode)(std::string_view)>
std::unique_ptr<Cursor<T>> List(Transactor& transactor, std::string_view prefix) {
  using Source = Listing<T, Decode>;
  return std::make_unique<SourceCursor<T, Source>>(transactor,
                                                   std::make_shared<Source>(transactor, prefix));
}

void Start(Transactor& transactor, Task<Result<project::Status>> task, Answer done) {
  Run<project::Status>(transactor.Enter(), std::move(task), std::move(done));
}

// Answers at once what needs no store; true if it did.
bool AnsweredAtOnce(const std::string& request_id, std::optional<std::string> reason,
                    Answer& done) {
  if (!reason && !IsValidRequestId(request_id)) reason = recusa::kPedidoInvalido;
  if (!reason) return false;
  std::move(done)(Recusa(*reason));
  return true;
}

std::optional<std::string> UnlessPossible(std::string_view id, const Kind& kind) {
  if (IsPossibleId(id)) return std::nullopt;
  return std::string(kind.ausente);
}

}  // namespace

void Cadastro::NovoAluno(const project::Aluno& aluno, std::string request_id, Answer done) {
  if (AnsweredAtOnce(request_id, rules_.Check(aluno), done)) return;
  Pedido pedido = MakePedido(std::move(request_id), "NovoAluno", {aluno.matricula(), aluno.nome()});
  Record record{kAluno, aluno.matricula(), EncodeAluno(aluno)};
  Start(transactor_, Create(transactor_, std::move(record), std::move(pedido)), std::move(done));
}

void Cadastro::EditaAluno(const project::Aluno& aluno, std::string request_id, Answer done) {
  if (AnsweredAtOnce(request_id, rules_.Check(aluno), done)) return;
  Pedido pedido =
      MakePedido(std::move(request_id), "EditaAluno", {aluno.matricula(), aluno.nome()});
  Record record{kAluno, aluno.matricula(), EncodeAluno(aluno)};
  Start(transactor_, Edit(transactor_, std::move(record), std::move(pedido)), std::move(done));
}

void Cadastro::NovoProfessor(const project::Professor& professor, std::string request_id,
                             Answer done) {
  if (AnsweredAtOnce(request_id, rules_.Check(professor), done)) return;
  Pedido pedido =
      MakePedido(std::move(request_id), "NovoProfessor", {professor.siape(), professor.nome()});
  Record record{kProfessor, professor.siape(), EncodeProfessor(professor)};
  Start(transactor_, Create(transactor_, std::move(record), std::move(pedido)), std::move(done));
}

void Cadastro::EditaProfessor(const project::Professor& professor, std::string request_id,
                              Answer done) {
  if (AnsweredAtOnce(request_id, rules_.Check(professor), done)) return;
  Pedido pedido =
      MakePedido(std::move(request_id), "EditaProfessor", {professor.siape(), professor.nome()});
  Record record{kProfessor, professor.siape(), EncodeProfessor(professor)};
  Start(transactor_, Edit(transactor_, std::move(record), std::move(pedido)), std::move(done));
}

void Cadastro::NovaDisciplina(const project::Disciplina& disciplina, std::string request_id,
                              Answer done) {
  if (AnsweredAtOnce(request_id, rules_.Check(disciplina), done)) return;
  Pedido pedido =
      MakePedido(std::move(request_id), "NovaDisciplina",
                 {disciplina.sigla(), disciplina.nome(), std::to_string(disciplina.vagas())});
  Record record{kDisciplina, disciplina.sigla(), EncodeDisciplina(disciplina)};
  Start(transactor_, Create(transactor_, std::move(record), std::move(pedido)), std::move(done));
}

void Cadastro::EditaDisciplina(project::Disciplina disciplina, std::string request_id,
                               Answer done) {
  if (AnsweredAtOnce(request_id, rules_.Check(disciplina), done)) return;
  Pedido pedido =
      MakePedido(std::move(request_id), "EditaDisciplina",
                 {disciplina.sigla(), disciplina.nome(), std::to_string(disciplina.vagas())});
  Start(transactor_, EditDisciplina(transactor_, std::move(disciplina), std::move(pedido)),
        std::move(done));
}

void Cadastro::RemoveAluno(std::string matricula, std::string request_id, Answer done) {
  Remove(kAluno, std::move(matricula), std::move(request_id), "RemoveAluno", std::move(done));
}

void Cadastro::RemoveProfessor(std::string siape, std::string request_id, Answer done) {
  Remove(kProfessor, std::move(siape), std::move(request_id), "RemoveProfessor", std::move(done));
}

void Cadastro::RemoveDisciplina(std::string sigla, std::string request_id, Answer done) {
  Remove(kDisciplina, std::move(sigla), std::move(request_id), "RemoveDisciplina", std::move(done));
}

void Cadastro::Remove(const Kind& kind, std::string id, std::string request_id,
                      std::string_view name, Answer done) {
  if (AnsweredAtOnce(request_id, UnlessPossible(id, kind), done)) return;
  Pedido pedido = MakePedido(std::move(request_id), name, {id});
  Start(transactor_, domain::Remove(transactor_, kind, std::move(id), std::move(pedido)),
        [this, done = std::move(done)](Result<project::Status> result) mutable {
          if (result.status().code() == base::Code::kOutcomeUnknown) FinishLater();
          std::move(done)(std::move(result));
        });
}

void Cadastro::FinishLater() {
  if (finishing_.exchange(true)) return;
  auto presence = transactor_.Enter();
  if (!presence) return;
  [](Cadastro& self, Transactor::Presence) -> Detached {
    int64_t pause_ms = kFinishPauseMs;
    while (!self.transactor_.closing()) {
      co_await self.transactor_.Pause(pause_ms / 2, pause_ms);
      const auto finished = co_await FinishAllRemovals(self.transactor_);
      if (finished.ok()) {
        base::log::Info("removals.resumed", {{"count", *finished}});
        break;
      }
      pause_ms = std::min(2 * pause_ms, kMostFinishPauseMs);
      base::log::Warning("removals.unfinished",
                         {{"reason", finished.status().ToString()}, {"again_within_ms", pause_ms}});
    }
    self.finishing_ = false;
  }(*this, std::move(presence));
}

void Cadastro::ResumeRemovals(base::Done<int> done) {
  Run<int>(transactor_.Enter(), FinishAllRemovals(transactor_),
           [this, done = std::move(done)](base::Result<int> finished) mutable {
             if (!finished.ok()) FinishLater();
             std::move(done)(std::move(finished));
           });
}

void Cadastro::ObtemAluno(std::string_view matricula, base::Done<project::Aluno> done) {
  if (!IsPossibleId(matricula)) return std::move(done)(project::Aluno());
  Run<project::Aluno>(transactor_.Enter(),
                      Obtem<project::Aluno, DecodeAluno>(transactor_, AlunoKey(matricula)),
                      std::move(done));
}

void Cadastro::ObtemProfessor(std::string_view siape, base::Done<project::Professor> done) {
  if (!IsPossibleId(siape)) return std::move(done)(project::Professor());
  Run<project::Professor>(
      transactor_.Enter(),
      Obtem<project::Professor, DecodeProfessor>(transactor_, ProfessorKey(siape)),
      std::move(done));
}

void Cadastro::ObtemDisciplina(std::string_view sigla, base::Done<project::Disciplina> done) {
  if (!IsPossibleId(sigla)) return std::move(done)(project::Disciplina());
  Run<project::Disciplina>(
      transactor_.Enter(),
      Obtem<project::Disciplina, DecodeDisciplina>(transactor_, DisciplinaKey(sigla)),
      std::move(done));
}

std::unique_ptr<Cursor<project::Aluno>> Cadastro::ObtemTodosAlunos() {
  return List<project::Aluno, DecodeAluno>(transactor_, kAlunoPrefix);
}

std::unique_ptr<Cursor<project::Professor>> Cadastro::ObtemTodosProfessores() {
  return List<project::Professor, DecodeProfessor>(transactor_, kProfessorPrefix);
}

std::unique_ptr<Cursor<project::Disciplina>> Cadastro::ObtemTodasDisciplinas() {
  return List<project::Disciplina, DecodeDisciplina>(transactor_, kDisciplinaPrefix);
}

}  // namespace matricula::domain
