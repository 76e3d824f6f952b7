#include "common/domain/removal.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/domain/optimistic.h"
#include "common/domain/records.h"
#include "common/domain/removal_steps.h"
#include "common/domain/txn.h"

namespace matricula::domain {
namespace {

using base::Code;
using base::Result;
using base::Status;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// Attempts of the removal in one transaction before it goes in steps, and attempts in all. In steps
// it is not one moment to those who race for its seats (the record is gone at once, a seat comes
// free when its class's turn comes), so contention alone should hardly ever lead there.
constexpr int kWholeAttempts = 20;
constexpr int kMaxAttempts = 32;

std::string RecordKey(const Kind& kind, std::string_view id) {
  return std::string(kind.prefix) + EncodeId(id);
}

// Where the answers of the first look stand.
enum LookIndex { kRecord, kMarker, kPedido, kDependents, kTurma };

TxnRequest Look(const Kind& kind, const std::string& id, const Pedido& pedido) {
  TxnRequest request;
  Operations* reads = request.mutable_success();
  AddGet(reads, RecordKey(kind, id));
  AddGet(reads, RemocaoKey(kind.name, id));
  AddPedidoGet(reads, pedido);
  const bool disciplina = kind.name == kKindDisciplina;
  const int most = disciplina ? kMaxWholeRoster : kMaxWholeTurmas;
  AddRange(reads, PrefixPage(DependentsPrefix(kind, id), "", most + 1, Values::kWithout, 0));
  if (disciplina) AddGet(reads, TurmaKey(id));
  return request;
}

bool IsTooLarge(const Kind& kind, const TxnResponse& look) {
  const int most = kind.name == kKindDisciplina ? kMaxWholeRoster : kMaxWholeTurmas;
  return ReadAt(look, kDependents).kvs_size() > most;
}

// A discipline with its class, roster and index entries.
Result<TxnRequest> WholeDisciplina(const std::string& sigla, const TxnResponse& look) {
  TxnRequest txn;
  Operations* success = txn.mutable_success();
  const auto* turma = PairAt(look, kTurma);
  RequireRevision(txn, TurmaKey(sigla), turma == nullptr ? 0 : turma->mod_revision());
  AddDelete(success, TurmaKey(sigla));
  AddDeletePrefix(success, RosterPrefix(sigla));
  if (turma != nullptr) {
    const auto decoded = DecodeTurma(turma->value());
    if (!decoded.ok()) return AboutKey(decoded.status(), turma->key());
    if (!decoded->professor.empty()) {
      AddDelete(success, ProfessorTurmaKey(decoded->professor, sigla));
    }
  }
  for (const auto& pair : ReadAt(look, kDependents).kvs()) {
    const auto ids = IdsOfKey(pair.key(), kMatriculaPrefix);
    if (!ids) return AboutKey(Status(Code::kDataLoss, "malformed key"), pair.key());
    AddDelete(success, AlunoTurmaKey(ids->second, sigla));
  }
  return txn;
}

// A student with his enrollments, or a professor with his classes.
Task<Result<TxnRequest>> WholePerson(Transactor& transactor, const Kind& kind,
                                     const std::string& id, const TxnResponse& look) {
  const int64_t revision = look.header().revision();
  std::vector<std::string> siglas;
  TxnRequest read;
  for (const auto& pair : ReadAt(look, kDependents).kvs()) {
    auto sigla = TurmaOfDependent(kind, pair.key());
    if (!sigla.ok()) co_return sigla.status();
    AddTurmaReads(read.mutable_success(), kind, id, *sigla, revision);
    siglas.push_back(std::move(*sigla));
  }
  TxnRequest txn;
  // Nothing but the classes that were seen may hang on this person.
  RequireNoneNewer(txn, DependentsPrefix(kind, id), revision);
  AddDeletePrefix(txn.mutable_success(), DependentsPrefix(kind, id));
  if (siglas.empty()) co_return txn;
  const auto turmas = co_await transactor.Read(std::move(read));
  if (!turmas.ok()) co_return turmas.status();
  for (size_t i = 0; i < siglas.size(); ++i) {
    const auto state = ReadTurmaState(*turmas, kReadsPerTurma * static_cast<int>(i));
    if (!state.ok()) co_return AboutKey(state.status(), TurmaKey(siglas[i]));
    AddLeave(txn, kind, id, siglas[i], *state);
  }
  co_return txn;
}

// The record and all that hangs on it in one transaction; false: somebody changed it meanwhile.
Task<Result<bool>> RemoveWhole(Transactor& transactor, const Kind& kind, const std::string& id,
                               const Pedido& pedido, const TxnResponse& look) {
  Result<TxnRequest> rest = TxnRequest();
  if (kind.name == kKindDisciplina) {
    rest = WholeDisciplina(id, look);
  } else {
    rest = co_await WholePerson(transactor, kind, id, look);
  }
  if (!rest.ok()) co_return rest.status();
  Write write;
  write.pedidos = pedido.count();
  write.build = [&](int64_t lease_id) {
    TxnRequest txn = *rest;
    RequireRevision(txn, RecordKey(kind, id), PairAt(look, kRecord)->mod_revision());
    AddPedido(txn, pedido, lease_id);
    AddDelete(txn.mutable_success(), RecordKey(kind, id));
    return txn;
  };
  const auto outcome = co_await transactor.Commit(std::move(write));
  if (!outcome.ok()) co_return outcome.status();
  co_return outcome->applied;
}

// Only the record, which nobody can hang anything on from then on, and the marker that the rest is
// to follow; false: somebody changed it meanwhile.
Task<Result<bool>> RemoveRecordFirst(Transactor& transactor, const Kind& kind,
                                     const std::string& id, const Pedido& pedido) {
  Write write;
  write.pedidos = pedido.count();
  write.build = [&](int64_t lease_id) {
    TxnRequest txn;
    RequireExists(txn, RecordKey(kind, id));
    RequireAbsent(txn, RemocaoKey(kind.name, id));
    AddPedido(txn, pedido, lease_id);
    AddDelete(txn.mutable_success(), RecordKey(kind, id));
    AddPut(txn.mutable_success(), RemocaoKey(kind.name, id), EncodeRemocao(id));
    return txn;
  };
  const auto outcome = co_await transactor.Commit(std::move(write));
  if (!outcome.ok()) co_return outcome.status();
  co_return outcome->applied;
}

}  // namespace

Task<Result<project::Status>> Remove(Transactor& transactor, const Kind& kind, std::string id,
                                     Pedido pedido) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    const auto look = co_await transactor.Read(Look(kind, id, pedido));
    if (!look.ok()) co_return look.status();
    if (PairAt(*look, kMarker) != nullptr) {
      const auto finished = co_await FinishRemoval(transactor, kind, id);
      if (!finished.ok()) co_return finished.status();
      continue;
    }
    auto judged = JudgePedidoAt(*look, kPedido, pedido);
    if (!judged.ok()) co_return judged.status();
    if (*judged) co_return std::move(**judged);
    if (PairAt(*look, kRecord) == nullptr) co_return Recusa(kind.ausente);

    const bool in_steps = attempt >= kWholeAttempts || IsTooLarge(kind, *look);
    Result<bool> removed = false;
    if (in_steps) {
      removed = co_await RemoveRecordFirst(transactor, kind, id, pedido);
    } else {
      removed = co_await RemoveWhole(transactor, kind, id, pedido, *look);
    }
    if (!removed.ok()) co_return removed.status();
    if (!*removed) continue;
    if (!in_steps) co_return Feito();
    const auto finished = co_await FinishRemoval(transactor, kind, id);
    if (finished.ok()) co_return Feito();
    co_return Status(Code::kOutcomeUnknown,
                     "the record is gone, the rest will follow: " + finished.status().ToString());
  }
  co_return ContentionStatus();
}

}  // namespace matricula::domain
