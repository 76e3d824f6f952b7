#include "common/domain/turma_batch.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/base/ensure.h"
#include "common/domain/commit.h"
#include "common/domain/keys.h"
#include "common/domain/pedido.h"
#include "common/domain/rules.h"

namespace matricula::domain {
namespace {

using base::Result;
using base::Status;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// What a batch needs beside its requests' own operations: two reads and a touch in the failure
// branch, two compares, one put.
constexpr int kOwnOperations = 3;
constexpr int kReadsOfClass = 2;
// Keeps a batch of the longest identifiers within a transaction, whose keys and values repeat each
// of them up to kRepeats times, each byte percent-encoded at worst.
constexpr size_t kMaxBytes = store::kMaxTxnBytes / 2;
constexpr size_t kRepeats = 9;
constexpr size_t kFixedBytes = 400;

int OperationsOf(const TurmaRequest& request) { return request.request_id.empty() ? 2 : 3; }

}  // namespace

bool TurmaBatch::TryAdd(TurmaRequest& request) {
  Entry entry;
  entry.aluno_hash = std::hash<std::string_view>{}(request.aluno);
  if (!request.request_id.empty()) {
    entry.request_hash = std::hash<std::string_view>{}(request.request_id) | 1;
  }
  const int operations = OperationsOf(request);
  const size_t bytes =
      kFixedBytes + kRepeats * (sigla_.size() + request.aluno.size() + request.request_id.size());
  if (entries_.empty()) {
    operations_ = kOwnOperations;
    bytes_ = 0;
  } else {
    if (operations_ + operations > kMaxWriteOperations || bytes_ + bytes > kMaxBytes) return false;
    // Two different ones with the same hash only make two batches of one.
    for (const Entry& other : entries_) {
      if (other.aluno_hash == entry.aluno_hash) return false;
      if (entry.request_hash != 0 && other.request_hash == entry.request_hash) return false;
    }
  }
  operations_ += operations;
  bytes_ += bytes;
  entry.request = std::move(request);
  entries_.push_back(std::move(entry));
  ++taken_;
  return true;
}

bool TurmaBatch::JudgeFrom(const TurmaKnown& known) {
  int32_t ocupadas = known.turma.ocupadas;
  for (const Entry& entry : entries_) {
    if (entry.request.kind == Enrollment::kDrop) {
      if (ocupadas > 0) --ocupadas;
    } else if (ocupadas < known.vagas) {
      ++ocupadas;
    } else {
      return false;
    }
  }
  for (Entry& entry : entries_) entry.fate = Fate::kWrite;
  known_ = known;
  ocupadas_after_ = ocupadas;
  writes_ = static_cast<int>(entries_.size());
  return true;
}

Status TurmaBatch::ReadKnown(const TxnResponse& response, int first) {
  known_.reset();
  const auto* disciplina_pair = PairAt(response, first);
  const auto* turma_pair = PairAt(response, first + 1);
  // Without a discipline the class may still be there for a moment: it is being removed.
  if (disciplina_pair == nullptr || turma_pair == nullptr) return base::OkStatus();
  auto disciplina = DecodeDisciplina(disciplina_pair->value());
  if (!disciplina.ok()) return AboutKey(disciplina.status(), disciplina_pair->key());
  auto turma = DecodeTurma(turma_pair->value());
  if (!turma.ok()) return AboutKey(turma.status(), turma_pair->key());
  known_ = TurmaKnown{disciplina_pair->mod_revision(), disciplina->vagas(),
                      turma_pair->mod_revision(), std::move(*turma)};
  return base::OkStatus();
}

Status TurmaBatch::JudgeFrom(const TxnResponse& response, int first) {
  RETURN_IF_ERROR(ReadKnown(response, first));
  int32_t ocupadas = known_ ? known_->turma.ocupadas : 0;
  int index = first + kReadsOfClass;
  std::vector<Verdict> verdicts;
  verdicts.reserve(entries_.size());
  for (Entry& entry : entries_) {
    auto verdict = JudgeEntry(entry, response, &index, &ocupadas);
    if (!verdict.ok()) return verdict.status();
    verdicts.push_back(std::move(*verdict));
  }
  ocupadas_after_ = ocupadas;
  writes_ = 0;
  std::vector<Entry> left;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (verdicts[i]) {
      Answer(entries_[i].request, std::move(*verdicts[i]));
      continue;
    }
    if (entries_[i].fate == Fate::kWrite) ++writes_;
    left.push_back(std::move(entries_[i]));
  }
  entries_ = std::move(left);
  return base::OkStatus();
}

// `index` is where the entry's reads begin and is moved past them; `ocupadas` are the seats taken
// once all entries before this one are written.
Result<TurmaBatch::Verdict> TurmaBatch::JudgeEntry(Entry& entry, const TxnResponse& response,
                                                   int* index, int32_t* ocupadas) const {
  const TurmaRequest& request = entry.request;
  const bool has_record = CountAt(response, (*index)++) > 0;
  const bool enrolled = CountAt(response, (*index)++) > 0;
  if (!request.request_id.empty()) {
    auto done = JudgePedido(PairAt(response, (*index)++), PedidoOp(request));
    if (!done.ok() || *done) return done;
  }
  if (!known_) return Verdict(Recusa(recusa::kSemDisciplina));
  if (!has_record) return Verdict(Recusa(recusa::kSemAluno));
  entry.fate = Fate::kWrite;
  if (request.kind == Enrollment::kDrop) {
    if (!enrolled) return Verdict(Recusa(recusa::kNaoMatriculado));
    if (*ocupadas > 0) --*ocupadas;
    return Verdict();
  }
  if (enrolled) return Verdict(Recusa(recusa::kJaMatriculado));
  if (*ocupadas < known_->vagas) {
    ++*ocupadas;
    return Verdict();
  }
  if (known_->turma.ocupadas >= known_->vagas) return Verdict(Recusa(recusa::kSemVagas));
  // The last seats go to others of this batch: that is true only once they have them.
  entry.fate = Fate::kNoSeat;
  return Verdict();
}

void TurmaBatch::AddReads(Operations* operations) const {
  AddGet(operations, DisciplinaKey(sigla_));
  AddGet(operations, TurmaKey(sigla_));
  for (const Entry& entry : entries_) {
    const TurmaRequest& request = entry.request;
    AddCount(operations, AlunoKey(request.aluno));
    AddCount(operations, MatriculaKey(sigla_, request.aluno));
    if (!request.request_id.empty()) AddGet(operations, PedidoKey(request.request_id));
  }
}

int TurmaBatch::CountPedidos() const {
  return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) {
    return entry.fate == Fate::kWrite && !entry.request.request_id.empty();
  }));
}

TxnRequest TurmaBatch::Build(int64_t lease_id, std::string_view em, bool touch) const {
  ENSURE(known_, "only a class that is there is written to");
  TxnRequest txn;
  RequireRevision(txn, TurmaKey(sigla_), known_->turma_revision);
  RequireRevision(txn, DisciplinaKey(sigla_), known_->disciplina_revision);
  for (const Entry& entry : entries_) {
    if (entry.fate == Fate::kWrite) AddEntry(txn, entry, lease_id, em);
  }
  AddPut(txn.mutable_success(), TurmaKey(sigla_),
         EncodeTurma(Turma{known_->turma.professor, ocupadas_after_}));
  if (touch) AddTouch(txn.mutable_failure(), TurmaKey(sigla_));
  AddReads(txn.mutable_failure());
  return txn;
}

void TurmaBatch::AddEntry(TxnRequest& txn, const Entry& entry, int64_t lease_id,
                          std::string_view em) const {
  const TurmaRequest& request = entry.request;
  Operations* success = txn.mutable_success();
  std::string key = MatriculaKey(sigla_, request.aluno);
  std::string index_key = AlunoTurmaKey(request.aluno, sigla_);
  RequireExists(txn, AlunoKey(request.aluno));
  if (request.kind == Enrollment::kAdd) {
    RequireAbsent(txn, key);
    AddPut(success, std::move(key), EncodeMatricula(sigla_, request.aluno, em));
    AddPut(success, std::move(index_key), std::string(kEmptyRecord));
  } else {
    RequireExists(txn, key);
    AddDelete(success, std::move(key));
    AddDelete(success, std::move(index_key));
  }
  if (request.request_id.empty()) return;
  RequireAbsent(txn, PedidoKey(request.request_id));
  AddPut(success, PedidoKey(request.request_id), EncodePedido(PedidoOp(request)), lease_id);
}

void TurmaBatch::AnswerWritten(const Outcome& outcome) {
  if (outcome.response.succeeded()) {
    known_->turma_revision = outcome.revision;
    known_->turma.ocupadas = ocupadas_after_;
  } else {
    known_.reset();  // it took long to find out, and others may have come since
  }
  for (Entry& entry : entries_) {
    const bool written = entry.fate == Fate::kWrite;
    Answer(entry.request, written ? Feito() : Recusa(recusa::kSemVagas));
  }
  entries_.clear();
}

void TurmaBatch::Answer(TurmaRequest& request, project::Status answer) {
  meter_.Answered(request.kind, answer);
  std::move(request.done)(std::move(answer));
}

void TurmaBatch::AnswerAll(const Status& error) {
  meter_.Failed(entries_.size());
  for (Entry& entry : entries_) std::move(entry.request.done)(error);
  entries_.clear();
}

std::string TurmaBatch::PedidoOp(const TurmaRequest& request) const {
  const bool add = request.kind == Enrollment::kAdd;
  return MakePedido(request.request_id, add ? "AdicionaAluno" : "RemoveAlunoDaDisciplina",
                    {sigla_, request.aluno})
      .op;
}

}  // namespace matricula::domain
