#include "common/domain/removal_steps.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/domain/optimistic.h"

namespace matricula::domain {
namespace {

using base::Code;
using base::Result;
using base::Status;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// Classes, or roster entries, that are looked at together.
constexpr int kPageTurmas = 40;
constexpr int kPageRoster = 110;
// Markers that are read together.
constexpr int kPageMarkers = 100;

std::string_view IndexPrefix(const Kind& kind) {
  return kind.name == kKindAluno ? kAlunoTurmaPrefix : kProfessorTurmaPrefix;
}

std::string IndexKey(const Kind& kind, std::string_view id, std::string_view sigla) {
  return kind.name == kKindAluno ? AlunoTurmaKey(id, sigla) : ProfessorTurmaKey(id, sigla);
}

// One removal in its steps. Every step compares the marker, so that none can hit a record of the
// same name that was created after the removal was over.
class Finisher {
 public:
  Finisher(Transactor& transactor, const Kind& kind, std::string id)
      : transactor_(transactor),
        kind_(kind),
        id_(std::move(id)),
        marker_key_(RemocaoKey(kind.name, id_)) {}

  Task<Result<bool>> Run() {
    Status status = co_await FindMarker();
    if (!status.ok()) co_return status;
    if (marker_revision_ == 0) co_return false;
    const bool disciplina = kind_.name == kKindDisciplina;
    if (disciplina) status = co_await CloseTurma();
    while (status.ok() && !gone_) {
      bool more = false;
      if (disciplina) {
        status = co_await ClearRoster(&more);
      } else {
        status = co_await LeaveTurmas(&more);
      }
      if (!more) break;
    }
    if (status.ok() && !gone_) status = co_await DropMarker();
    if (!status.ok()) co_return status;
    co_return true;
  }

 private:
  Task<Status> FindMarker() {
    TxnRequest request;
    AddGet(request.mutable_success(), marker_key_);
    const auto response = co_await transactor_.Read(std::move(request));
    if (!response.ok()) co_return response.status();
    const auto* marker = PairAt(*response, 0);
    marker_revision_ = marker == nullptr ? 0 : marker->mod_revision();
    co_return Status();
  }

  // Whether the marker is still the one that this removal began with; if not, somebody else has
  // finished it.
  bool IsOurs(const mvccpb::KeyValue* marker) {
    gone_ = marker == nullptr || marker->mod_revision() != marker_revision_;
    return !gone_;
  }

  // The first keys that hang on the record.
  Task<Result<etcdserverpb::RangeResponse>> NextPage(int limit) {
    TxnRequest request;
    AddRange(request.mutable_success(),
             PrefixPage(DependentsPrefix(kind_, id_), "", limit, Values::kWithout, 0));
    auto response = co_await transactor_.Read(std::move(request));
    if (!response.ok()) co_return response.status();
    co_return ReadAt(*response, 0);
  }

  Task<Status> LeaveTurmas(bool* more) {
    const auto page = co_await NextPage(kPageTurmas);
    if (!page.ok()) co_return page.status();
    for (const auto& pair : page->kvs()) {
      const auto sigla = TurmaOfDependent(kind_, pair.key());
      if (!sigla.ok()) co_return sigla.status();
      const Status status = co_await LeaveTurma(*sigla);
      if (!status.ok()) co_return status;
      if (gone_) break;
    }
    *more = page->kvs_size() > 0;
    co_return Status();
  }

  Task<Status> LeaveTurma(const std::string& sigla) {
    TurmaState state;
    OptimisticWrite write;
    write.contended_key = TurmaKey(sigla);
    write.add_reads = [&](Operations* reads) {
      AddGet(reads, marker_key_);
      AddTurmaReads(reads, kind_, id_, sigla, 0);
    };
    write.judge = [&](const TxnResponse& response, int first) -> OptimisticWrite::Judgement {
      if (!IsOurs(PairAt(response, first))) return std::optional(Feito());
      auto read = ReadTurmaState(response, first + 1);
      if (!read.ok()) return AboutKey(read.status(), TurmaKey(sigla));
      state = std::move(*read);
      return std::optional<project::Status>();
    };
    write.build = [&](int64_t) {
      TxnRequest txn;
      RequireRevision(txn, marker_key_, marker_revision_);
      AddLeave(txn, kind_, id_, sigla, state);
      AddDelete(txn.mutable_success(), IndexKey(kind_, id_, sigla));
      return txn;
    };
    const auto done = co_await RunOptimistic(transactor_, std::move(write));
    co_return done.status();
  }

  // The class of a discipline that is gone: nobody enrolls in it or teaches it any more.
  Task<Status> CloseTurma() {
    int64_t revision = 0;
    std::string professor;
    OptimisticWrite write;
    write.contended_key = TurmaKey(id_);
    write.add_reads = [&](Operations* reads) {
      AddGet(reads, marker_key_);
      AddGet(reads, TurmaKey(id_));
    };
    write.judge = [&](const TxnResponse& response, int first) -> OptimisticWrite::Judgement {
      const auto* turma = PairAt(response, first + 1);
      if (!IsOurs(PairAt(response, first)) || turma == nullptr) return std::optional(Feito());
      const auto decoded = DecodeTurma(turma->value());
      if (!decoded.ok()) return AboutKey(decoded.status(), turma->key());
      revision = turma->mod_revision();
      professor = decoded->professor;
      return std::optional<project::Status>();
    };
    write.build = [&](int64_t) {
      TxnRequest txn;
      RequireRevision(txn, marker_key_, marker_revision_);
      RequireRevision(txn, TurmaKey(id_), revision);
      AddDelete(txn.mutable_success(), TurmaKey(id_));
      if (!professor.empty()) AddDelete(txn.mutable_success(), ProfessorTurmaKey(professor, id_));
      return txn;
    };
    const auto done = co_await RunOptimistic(transactor_, std::move(write));
    co_return done.status();
  }

  Task<Status> ClearRoster(bool* more) {
    const auto page = co_await NextPage(kPageRoster);
    if (!page.ok()) co_return page.status();
    if (page->kvs_size() == 0) co_return Status();
    std::vector<std::string> index_keys;
    for (const auto& pair : page->kvs()) {
      const auto ids = IdsOfKey(pair.key(), kMatriculaPrefix);
      if (!ids) co_return AboutKey(Status(Code::kDataLoss, "malformed key"), pair.key());
      index_keys.push_back(AlunoTurmaKey(ids->second, id_));
    }
    Write write;
    write.build = [&](int64_t) {
      TxnRequest txn;
      RequireRevision(txn, marker_key_, marker_revision_);
      const auto& keys = page->kvs();
      AddDeleteRange(txn.mutable_success(), keys.begin()->key(), keys.rbegin()->key() + '\0');
      for (const std::string& key : index_keys) AddDelete(txn.mutable_success(), key);
      AddGet(txn.mutable_failure(), marker_key_);
      return txn;
    };
    co_return co_await Step(std::move(write), more);
  }

  // When nothing hangs on the record any more.
  Task<Status> DropMarker() {
    bool more = false;
    Write write;
    write.build = [&](int64_t) {
      TxnRequest txn;
      RequireRevision(txn, marker_key_, marker_revision_);
      RequireEmpty(txn, DependentsPrefix(kind_, id_));
      AddDelete(txn.mutable_success(), marker_key_);
      AddGet(txn.mutable_failure(), marker_key_);
      return txn;
    };
    co_return co_await Step(std::move(write), &more);
  }

  // A write that only fails if the marker is gone.
  Task<Status> Step(Write write, bool* more) {
    const auto outcome = co_await transactor_.Commit(std::move(write));
    if (!outcome.ok()) co_return outcome.status();
    if (!outcome->applied && IsOurs(PairAt(outcome->response, 0))) {
      co_return Status(Code::kAborted, "a removal in steps has lost its way: " + marker_key_);
    }
    *more = true;
    co_return Status();
  }

  Transactor& transactor_;
  const Kind& kind_;
  const std::string id_;
  const std::string marker_key_;
  int64_t marker_revision_ = 0;
  bool gone_ = false;  // the marker is
};

}  // namespace

std::string DependentsPrefix(const Kind& kind, std::string_view id) {
  if (kind.name == kKindDisciplina) return RosterPrefix(id);
  return kind.name == kKindAluno ? AlunoTurmaPrefix(id) : ProfessorTurmaPrefix(id);
}

Result<std::string> TurmaOfDependent(const Kind& kind, std::string_view key) {
  auto ids = IdsOfKey(key, IndexPrefix(kind));
  if (!ids) return AboutKey(Status(Code::kDataLoss, "malformed key"), key);
  return std::move(ids->second);
}

void AddTurmaReads(Operations* operations, const Kind& kind, std::string_view id,
                   std::string_view sigla, int64_t revision) {
  AddGet(operations, TurmaKey(sigla), revision);
  AddCount(operations,
           kind.name == kKindAluno ? MatriculaKey(sigla, id) : ProfessorTurmaKey(id, sigla),
           revision);
}

Result<TurmaState> ReadTurmaState(const TxnResponse& response, int first) {
  TurmaState state;
  state.member = CountAt(response, first + 1) > 0;
  const auto* pair = PairAt(response, first);
  if (pair == nullptr) return state;
  auto turma = DecodeTurma(pair->value());
  if (!turma.ok()) return turma.status();
  state.revision = pair->mod_revision();
  state.turma = std::move(*turma);
  return state;
}

void AddLeave(TxnRequest& txn, const Kind& kind, std::string_view id, std::string_view sigla,
              const TurmaState& state) {
  const std::string turma_key = TurmaKey(sigla);
  RequireRevision(txn, turma_key, state.revision);
  if (kind.name == kKindAluno) AddDelete(txn.mutable_success(), MatriculaKey(sigla, id));
  if (!state.turma) return;
  Turma turma = *state.turma;
  if (kind.name == kKindAluno) {
    if (state.member) turma.ocupadas = std::max(0, turma.ocupadas - 1);
  } else if (turma.professor == id) {
    turma.professor.clear();
  }
  if (turma != *state.turma) AddPut(txn.mutable_success(), turma_key, EncodeTurma(turma));
}

Task<Result<bool>> FinishRemoval(Transactor& transactor, const Kind& kind, std::string id) {
  Finisher finisher(transactor, kind, std::move(id));
  co_return co_await finisher.Run();
}

Task<Result<int>> FinishAllRemovals(Transactor& transactor) {
  int finished = 0;
  for (const Kind* kind : {&kAluno, &kProfessor, &kDisciplina}) {
    std::string after;
    while (true) {
      TxnRequest request;
      const std::string prefix = RemocaoKindPrefix(kind->name);
      AddRange(request.mutable_success(),
               PrefixPage(prefix, after, kPageMarkers, Values::kWithout, 0));
      const auto response = co_await transactor.Read(std::move(request));
      if (!response.ok()) co_return response.status();
      const auto& page = ReadAt(*response, 0);
      if (page.kvs_size() == 0) break;
      for (const auto& pair : page.kvs()) {
        after = pair.key();
        auto id = IdOfKey(pair.key(), prefix);
        if (!id) co_return AboutKey(Status(Code::kDataLoss, "malformed key"), pair.key());
        const auto done = co_await FinishRemoval(transactor, *kind, std::move(*id));
        if (!done.ok()) co_return done.status();
        finished += *done ? 1 : 0;
      }
    }
  }
  co_return finished;
}

}  // namespace matricula::domain
