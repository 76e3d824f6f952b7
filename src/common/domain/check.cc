#include "common/domain/check.h"

#include <algorithm>
#include <utility>

#include "common/domain/commit.h"
#include "common/domain/keys.h"
#include "common/domain/pages.h"
#include "common/domain/records.h"
#include "common/domain/txn.h"

namespace matricula::domain {
namespace {

using base::Result;
using base::Status;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;
using mvccpb::KeyValue;

// Goes once over every kind of key, page by page; with each page it reads what its keys must agree
// with. Malformed keys and records read keys that nobody has: what is wrong with them is told by
// their own check.
class Checker {
 public:
  explicit Checker(Transactor& transactor) : transactor_(transactor) {}

  Task<Result<CheckReport>> Run() {
    // The prefix, how many reads each pair needs, which, and what to make of them.
    const Pass passes[] = {
        {kAlunoPrefix, 0, &Checker::NoReads, &Checker::CheckAluno},
        {kProfessorPrefix, 0, &Checker::NoReads, &Checker::CheckProfessor},
        {kDisciplinaPrefix, 2, &Checker::ReadsOfDisciplina, &Checker::CheckDisciplina},
        {kTurmaPrefix, 5, &Checker::ReadsOfTurma, &Checker::CheckTurma},
        {kMatriculaPrefix, 5, &Checker::ReadsOfMatricula, &Checker::CheckMatricula},
        {kAlunoTurmaPrefix, 1, &Checker::ReadsOfAlunoTurma, &Checker::CheckAlunoTurma},
        {kProfessorTurmaPrefix, 1, &Checker::ReadsOfProfessorTurma, &Checker::CheckProfessorTurma},
        {kRemocaoPrefix, 1, &Checker::ReadsOfRemocao, &Checker::CheckRemocao},
    };
    for (const Pass& pass : passes) {
      const Status status = co_await GoOver(pass);
      if (!status.ok()) co_return status;
    }
    co_return std::move(report_);
  }

 private:
  struct Pass {
    std::string_view prefix;
    int reads_per_pair;
    void (Checker::*add_reads)(TxnRequest& request, const KeyValue& pair) const;
    void (Checker::*check)(const KeyValue& pair, const TxnResponse& response, int first);
  };

  Task<Status> GoOver(const Pass& pass) {
    PrefixReader reader(transactor_, std::string(pass.prefix), Values::kWith, report_.revision);
    const int page_size =
        std::min(kMaxPageItems, store::kMaxTxnOperations / std::max(1, pass.reads_per_pair));
    while (true) {
      const auto page = co_await reader.Next(page_size);
      if (!page.ok()) co_return page.status();
      report_.revision = reader.revision();
      if (page->empty()) co_return base::OkStatus();
      TxnRequest request;
      for (const KeyValue& pair : *page) (this->*pass.add_reads)(request, pair);
      Result<TxnResponse> response = TxnResponse();
      if (pass.reads_per_pair > 0) response = co_await transactor_.Read(std::move(request));
      if (!response.ok()) co_return SnapshotStatus(response.status());
      int first = 0;
      for (const KeyValue& pair : *page) {
        (this->*pass.check)(pair, *response, first);
        first += pass.reads_per_pair;
      }
    }
  }

  void Expect(bool good, std::string_view key, std::string_view what) {
    if (good) return;
    ++report_.violations_in_all;
    if (report_.violations.size() >= kMaxViolations) return;
    report_.violations.push_back(std::string(key) + ": " + std::string(what));
  }
  void ExpectKey(const KeyValue& pair, const std::string& key) {
    Expect(pair.key() == key, pair.key(), "holds the record of another key");
  }

  void Count(TxnRequest& request, std::string key) const {
    AddCount(request.mutable_success(), std::move(key), report_.revision);
  }

  void NoReads(TxnRequest&, const KeyValue&) const {}

  void CheckAluno(const KeyValue& pair, const TxnResponse&, int) {
    ++report_.alunos;
    const auto aluno = DecodeAluno(pair.value());
    Expect(aluno.ok(), pair.key(), "malformed record");
    if (aluno.ok()) ExpectKey(pair, AlunoKey(aluno->matricula()));
  }

  void CheckProfessor(const KeyValue& pair, const TxnResponse&, int) {
    ++report_.professores;
    const auto professor = DecodeProfessor(pair.value());
    Expect(professor.ok(), pair.key(), "malformed record");
    if (professor.ok()) ExpectKey(pair, ProfessorKey(professor->siape()));
  }

  // The seat invariant.
  void ReadsOfDisciplina(TxnRequest& request, const KeyValue& pair) const {
    const std::string sigla = IdOfKey(pair.key(), kDisciplinaPrefix).value_or("");
    AddGet(request.mutable_success(), TurmaKey(sigla), report_.revision);
    AddCountPrefix(request.mutable_success(), RosterPrefix(sigla), report_.revision);
  }
  void CheckDisciplina(const KeyValue& pair, const TxnResponse& response, int first) {
    ++report_.disciplinas;
    const auto disciplina = DecodeDisciplina(pair.value());
    Expect(disciplina.ok(), pair.key(), "malformed record");
    if (disciplina.ok()) ExpectKey(pair, DisciplinaKey(disciplina->sigla()));
    const auto* turma_pair = PairAt(response, first);
    Expect(turma_pair != nullptr, pair.key(), "has no class");
    if (turma_pair == nullptr) return;
    const int64_t enrolled = CountAt(response, first + 1);
    if (disciplina.ok()) {
      Expect(disciplina->vagas() >= 1, pair.key(), "has no seats");
      Expect(enrolled <= disciplina->vagas(), pair.key(), "has more students than seats");
    }
    const auto turma = DecodeTurma(turma_pair->value());
    const int64_t counted = turma.ok() ? turma->ocupadas : enrolled;
    Expect(counted == enrolled, turma_pair->key(),
           "counts " + std::to_string(counted) + " seats taken, but " + std::to_string(enrolled) +
               " students are enrolled");
  }

  void ReadsOfTurma(TxnRequest& request, const KeyValue& pair) const {
    const std::string sigla = IdOfKey(pair.key(), kTurmaPrefix).value_or("");
    const auto turma = DecodeTurma(pair.value());
    const std::string professor = turma.ok() ? turma->professor : "";
    Count(request, DisciplinaKey(sigla));
    Count(request, RemocaoKey(kKindDisciplina, sigla));
    Count(request, ProfessorKey(professor));
    Count(request, RemocaoKey(kKindProfessor, professor));
    Count(request, ProfessorTurmaKey(professor, sigla));
  }
  void CheckTurma(const KeyValue& pair, const TxnResponse& response, int first) {
    const auto turma = DecodeTurma(pair.value());
    Expect(turma.ok(), pair.key(), "malformed record");
    ExpectSomeOf(response, first, 2, pair.key(), "has no discipline");
    if (!turma.ok() || turma->professor.empty()) return;
    ExpectSomeOf(response, first + 2, 2, pair.key(), "has a teacher without a record");
    ExpectSomeOf(response, first + 4, 1, pair.key(), "is missing in its teacher's index");
  }
  // At least one of `reads` keys must be there: the record, or the marker of its removal.
  void ExpectSomeOf(const TxnResponse& response, int first, int reads, std::string_view key,
                    std::string_view what) {
    int64_t found = 0;
    for (int i = first; i < first + reads; ++i) found += CountAt(response, i);
    Expect(found > 0, key, what);
  }

  void ReadsOfMatricula(TxnRequest& request, const KeyValue& pair) const {
    const auto [sigla, aluno] = IdsOfKey(pair.key(), kMatriculaPrefix).value_or(TwoIds());
    Count(request, AlunoKey(aluno));
    Count(request, RemocaoKey(kKindAluno, aluno));
    Count(request, TurmaKey(sigla));
    Count(request, RemocaoKey(kKindDisciplina, sigla));
    Count(request, AlunoTurmaKey(aluno, sigla));
  }
  void CheckMatricula(const KeyValue& pair, const TxnResponse& response, int first) {
    ++report_.matriculas;
    const auto matricula = DecodeMatricula(pair.value());
    Expect(matricula.ok(), pair.key(), "malformed record");
    if (matricula.ok()) ExpectKey(pair, MatriculaKey(matricula->disciplina, matricula->id_pessoa));
    ExpectSomeOf(response, first, 2, pair.key(), "has a student without a record");
    ExpectSomeOf(response, first + 2, 2, pair.key(), "has no class");
    ExpectSomeOf(response, first + 4, 1, pair.key(), "is missing in its student's index");
  }

  void ReadsOfAlunoTurma(TxnRequest& request, const KeyValue& pair) const {
    const auto [aluno, sigla] = IdsOfKey(pair.key(), kAlunoTurmaPrefix).value_or(TwoIds());
    Count(request, MatriculaKey(sigla, aluno));
  }
  void CheckAlunoTurma(const KeyValue& pair, const TxnResponse& response, int first) {
    ExpectSomeOf(response, first, 1, pair.key(), "stands for no enrollment");
  }

  void ReadsOfProfessorTurma(TxnRequest& request, const KeyValue& pair) const {
    const auto [professor, sigla] = IdsOfKey(pair.key(), kProfessorTurmaPrefix).value_or(TwoIds());
    AddGet(request.mutable_success(), TurmaKey(sigla), report_.revision);
  }
  void CheckProfessorTurma(const KeyValue& pair, const TxnResponse& response, int first) {
    const auto [professor, sigla] = IdsOfKey(pair.key(), kProfessorTurmaPrefix).value_or(TwoIds());
    const auto* turma_pair = PairAt(response, first);
    const auto turma = DecodeTurma(turma_pair == nullptr ? "" : turma_pair->value());
    Expect(turma.ok() && turma->professor == professor, pair.key(), "stands for no teacher");
  }

  void ReadsOfRemocao(TxnRequest& request, const KeyValue& pair) const {
    const auto [kind, id] = IdsOfKey(pair.key(), kRemocaoPrefix).value_or(TwoIds());
    Count(request, kind + "/" + EncodeId(id));
  }
  void CheckRemocao(const KeyValue& pair, const TxnResponse& response, int first) {
    ++report_.pending_removals;
    const auto ids = IdsOfKey(pair.key(), kRemocaoPrefix);
    Expect(ids && (ids->first == kKindAluno || ids->first == kKindProfessor ||
                   ids->first == kKindDisciplina),
           pair.key(), "malformed key");
    Expect(CountAt(response, first) == 0, pair.key(), "but the record is still there");
  }

  Transactor& transactor_;
  CheckReport report_;
};

Task<Result<CheckReport>> RunCheck(Transactor& transactor) {
  Checker checker(transactor);
  co_return co_await checker.Run();
}

}  // namespace

void Check(Transactor& transactor, base::Done<CheckReport> done) {
  Run<CheckReport>(transactor.Enter(), RunCheck(transactor), std::move(done));
}

}  // namespace matricula::domain
