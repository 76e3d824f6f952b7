#include "common/domain/docentes.h"

#include <optional>
#include <utility>

#include "common/domain/commit.h"
#include "common/domain/keys.h"
#include "common/domain/optimistic.h"
#include "common/domain/pedido.h"
#include "common/domain/records.h"
#include "common/domain/removal.h"
#include "common/domain/rules.h"

namespace matricula::domain {
namespace {

using base::Result;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// Attempts at a class whose teacher's removal has to be finished first.
constexpr int kMaxAttempts = 5;

enum class Change { kAdiciona, kRemove };

// One class that gets a teacher or loses him.
class Docencia {
 public:
  Docencia(Change change, project::DisciplinaPessoa par, Pedido pedido)
      : change_(change), par_(std::move(par)), pedido_(std::move(pedido)) {}

  Task<Result<project::Status>> Run(Transactor& transactor) {
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      former_.clear();
      auto answer = co_await RunOptimistic(transactor, MakeWrite());
      if (!answer.ok() || former_.empty()) co_return answer;
      // Refused because of a teacher; he does not count if he is just being removed.
      const auto finished = co_await FinishRemoval(transactor, kProfessor, former_);
      if (!finished.ok()) co_return finished.status();
      if (!*finished) co_return answer;
    }
    co_return ContentionStatus();
  }

 private:
  OptimisticWrite MakeWrite() {
    OptimisticWrite write;
    write.pedidos = pedido_.count();
    write.contended_key = TurmaKey(par_.disciplina());
    write.add_reads = [this](Operations* reads) {
      AddPedidoGet(reads, pedido_);
      AddCount(reads, DisciplinaKey(par_.disciplina()));
      AddGet(reads, TurmaKey(par_.disciplina()));
      AddCount(reads, ProfessorKey(par_.idpessoa()));
    };
    write.judge = [this](const TxnResponse& response, int first) { return Judge(response, first); };
    write.build = [this](int64_t lease_id) { return Build(lease_id); };
    return write;
  }

  OptimisticWrite::Judgement Judge(const TxnResponse& response, int first) {
    former_.clear();
    auto judged = JudgePedidoAt(response, first, pedido_);
    if (!judged.ok() || *judged) return judged;
    const auto* pair = PairAt(response, first + 2);
    if (CountAt(response, first + 1) == 0 || pair == nullptr) {
      return std::optional(Recusa(recusa::kSemDisciplina));
    }
    if (CountAt(response, first + 3) == 0) return std::optional(Recusa(recusa::kSemProfessor));
    auto turma = DecodeTurma(pair->value());
    if (!turma.ok()) return AboutKey(turma.status(), pair->key());
    turma_ = std::move(*turma);
    revision_ = pair->mod_revision();
    if (change_ == Change::kAdiciona && !turma_.professor.empty()) {
      former_ = turma_.professor;
      return std::optional(Recusa(recusa::kTemProfessor));
    }
    if (change_ == Change::kRemove && turma_.professor != par_.idpessoa()) {
      return std::optional(Recusa(recusa::kNaoLeciona));
    }
    return judged;
  }

  TxnRequest Build(int64_t lease_id) const {
    TxnRequest txn;
    Operations* success = txn.mutable_success();
    RequireExists(txn, DisciplinaKey(par_.disciplina()));
    RequireExists(txn, ProfessorKey(par_.idpessoa()));
    RequireRevision(txn, TurmaKey(par_.disciplina()), revision_);
    AddPedido(txn, pedido_, lease_id);
    Turma turma = turma_;
    std::string index = ProfessorTurmaKey(par_.idpessoa(), par_.disciplina());
    if (change_ == Change::kAdiciona) {
      turma.professor = par_.idpessoa();
      AddPut(success, std::move(index), std::string(kEmptyRecord));
    } else {
      turma.professor.clear();
      AddDelete(success, std::move(index));
    }
    AddPut(success, TurmaKey(par_.disciplina()), EncodeTurma(turma));
    return txn;
  }

  const Change change_;
  const project::DisciplinaPessoa par_;
  const Pedido pedido_;
  // As judged last.
  Turma turma_;
  int64_t revision_ = 0;
  std::string former_;  // the teacher because of whom it was refused
};

Task<Result<project::Status>> RunDocencia(Transactor& transactor, Change change,
                                          project::DisciplinaPessoa par, Pedido pedido) {
  Docencia docencia(change, std::move(par), std::move(pedido));
  co_return co_await docencia.Run(transactor);
}

void Start(Transactor& transactor, Change change, project::DisciplinaPessoa par,
           std::string request_id, Answer done) {
  if (!IsPossibleId(par.disciplina())) return std::move(done)(Recusa(recusa::kSemDisciplina));
  if (!IsPossibleId(par.idpessoa())) return std::move(done)(Recusa(recusa::kSemProfessor));
  if (!IsValidRequestId(request_id)) return std::move(done)(Recusa(recusa::kPedidoInvalido));
  Pedido pedido =
      MakePedido(std::move(request_id),
                 change == Change::kAdiciona ? "AdicionaProfessor" : "RemoveProfessorDaDisciplina",
                 {par.disciplina(), par.idpessoa()});
  Run<project::Status>(transactor.Enter(),
                       RunDocencia(transactor, change, std::move(par), std::move(pedido)),
                       std::move(done));
}

}  // namespace

void Docentes::AdicionaProfessor(project::DisciplinaPessoa par, std::string request_id,
                                 Answer done) {
  Start(transactor_, Change::kAdiciona, std::move(par), std::move(request_id), std::move(done));
}

void Docentes::RemoveProfessor(project::DisciplinaPessoa par, std::string request_id, Answer done) {
  Start(transactor_, Change::kRemove, std::move(par), std::move(request_id), std::move(done));
}

}  // namespace matricula::domain
