#include "common/domain/reports.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "common/domain/commit.h"
#include "common/domain/keys.h"
#include "common/domain/pages.h"
#include "common/domain/records.h"
#include "common/domain/rules.h"
#include "common/domain/txn.h"

namespace matricula::domain {
namespace {

using base::Code;
using base::Result;
using base::Status;
using etcdserverpb::TxnRequest;
using etcdserverpb::TxnResponse;

// Roster entries read together; classes joined together (two reads each).
constexpr int kRosterPage = 500;
constexpr int kTurmaPage = 50;

Task<Result<TxnResponse>> ReadSnapshot(Transactor& transactor, TxnRequest request) {
  auto response = co_await transactor.Read(std::move(request));
  if (!response.ok()) co_return SnapshotStatus(response.status());
  co_return response;
}

// The second identifier of each key.
Result<std::vector<std::string>> SecondIds(const std::vector<mvccpb::KeyValue>& pairs,
                                           std::string_view prefix) {
  std::vector<std::string> out;
  for (const auto& pair : pairs) {
    auto ids = IdsOfKey(pair.key(), prefix);
    if (!ids) return AboutKey(Status(Code::kDataLoss, "malformed key"), pair.key());
    out.push_back(std::move(ids->second));
  }
  return out;
}

Result<std::optional<project::Professor>> ProfessorAt(const TxnResponse& response, int index) {
  const auto* pair = PairAt(response, index);
  if (pair == nullptr) return std::optional<project::Professor>();
  auto professor = DecodeProfessor(pair->value());
  if (!professor.ok()) return AboutKey(professor.status(), pair->key());
  return std::optional(std::move(*professor));
}

// One discipline with its teacher and students, at one revision.
class RelatorioReader {
 public:
  // `revision` 0: the newest.
  RelatorioReader(Transactor& transactor, std::string sigla, int64_t revision)
      : transactor_(transactor), sigla_(std::move(sigla)), revision_(revision) {}

  // Nothing if there is no such discipline.
  Task<Result<std::optional<project::RelatorioDisciplina>>> Read() {
    TxnRequest request;
    AddGet(request.mutable_success(), DisciplinaKey(sigla_), revision_);
    AddGet(request.mutable_success(), TurmaKey(sigla_), revision_);
    AddRange(request.mutable_success(),
             PrefixPage(RosterPrefix(sigla_), "", kRosterPage, Values::kWithout, revision_));
    const auto response = co_await ReadSnapshot(transactor_, std::move(request));
    if (!response.ok()) co_return response.status();
    if (revision_ == 0) revision_ = response->header().revision();
    const Status status = TakeTurma(*response);
    if (!status.ok()) co_return status;
    if (!found_) co_return std::optional<project::RelatorioDisciplina>();

    const auto& roster = ReadAt(*response, 2).kvs();
    std::vector<mvccpb::KeyValue> first_page(roster.begin(), roster.end());
    Status joined = co_await Join(std::move(first_page));
    if (roster.size() == kRosterPage && joined.ok()) {
      PrefixReader reader(transactor_, RosterPrefix(sigla_), Values::kWithout, revision_,
                          roster.rbegin()->key());
      joined = co_await JoinRest(reader);
    }
    if (!joined.ok()) co_return joined;
    co_return std::optional(std::move(report_));
  }

 private:
  Status TakeTurma(const TxnResponse& response) {
    const auto* pair = PairAt(response, 0);
    if (pair == nullptr) return base::OkStatus();
    auto disciplina = DecodeDisciplina(pair->value());
    if (!disciplina.ok()) return AboutKey(disciplina.status(), pair->key());
    *report_.mutable_disciplina() = std::move(*disciplina);
    found_ = true;
    if (const auto* turma_pair = PairAt(response, 1)) {
      auto turma = DecodeTurma(turma_pair->value());
      if (!turma.ok()) return AboutKey(turma.status(), turma_pair->key());
      professor_ = std::move(turma->professor);
    }
    return base::OkStatus();
  }

  Task<Status> JoinRest(PrefixReader& reader) {
    while (true) {
      auto page = co_await reader.Next(kRosterPage);
      if (!page.ok()) co_return page.status();
      if (page->empty()) co_return base::OkStatus();
      const Status joined = co_await Join(std::move(*page));
      if (!joined.ok()) co_return joined;
    }
  }

  // Adds the students of a page of the roster, and the teacher when he is not there yet.
  Task<Status> Join(std::vector<mvccpb::KeyValue> roster) {
    size_t next = 0;
    do {
      TxnRequest request;
      Operations* reads = request.mutable_success();
      const bool with_professor = !professor_.empty();
      if (with_professor) AddGet(reads, ProfessorKey(std::exchange(professor_, "")), revision_);
      while (next < roster.size() && reads->size() < store::kMaxTxnOperations) {
        const auto ids = IdsOfKey(roster[next].key(), kMatriculaPrefix);
        if (!ids) co_return AboutKey(Status(Code::kDataLoss, "malformed key"), roster[next].key());
        AddGet(reads, AlunoKey(ids->second), revision_);
        ++next;
      }
      if (reads->empty()) break;
      const auto response = co_await ReadSnapshot(transactor_, std::move(request));
      if (!response.ok()) co_return response.status();
      const Status status = TakePeople(*response, with_professor);
      if (!status.ok()) co_return status;
    } while (next < roster.size());
    co_return base::OkStatus();
  }

  Status TakePeople(const TxnResponse& response, bool with_professor) {
    if (with_professor) {
      auto professor = ProfessorAt(response, 0);
      if (!professor.ok()) return professor.status();
      if (*professor) *report_.mutable_professor() = std::move(**professor);
    }
    for (int i = with_professor ? 1 : 0; i < response.responses_size(); ++i) {
      const auto* pair = PairAt(response, i);
      if (pair == nullptr) continue;  // the student is just being removed
      auto aluno = DecodeAluno(pair->value());
      if (!aluno.ok()) return AboutKey(aluno.status(), pair->key());
      *report_.add_alunos() = std::move(*aluno);
    }
    return base::OkStatus();
  }

  Transactor& transactor_;
  const std::string sigla_;
  int64_t revision_;
  bool found_ = false;
  std::string professor_;  // whose record is still to be read
  project::RelatorioDisciplina report_;
};

Task<Result<std::optional<project::RelatorioDisciplina>>> ReadRelatorio(Transactor& transactor,
                                                                        std::string sigla,
                                                                        int64_t revision) {
  RelatorioReader reader(transactor, std::move(sigla), revision);
  co_return co_await reader.Read();
}

Task<Result<project::RelatorioDisciplina>> Detalha(Transactor& transactor, std::string sigla) {
  auto report = co_await ReadRelatorio(transactor, std::move(sigla), 0);
  if (!report.ok()) co_return report.status();
  if (!*report) co_return project::RelatorioDisciplina();
  co_return std::move(**report);
}

// The classes of a person, page by page, at the revision at which the person was found.
class TurmasOf {
 public:
  TurmasOf(Transactor& transactor, std::string person_key, std::string prefix,
           std::string_view index)
      : transactor_(transactor),
        person_key_(std::move(person_key)),
        prefix_(std::move(prefix)),
        index_(index) {}

  int64_t revision() const { return revision_; }

  // None at the end, or if there is no such person.
  Task<Result<std::vector<std::string>>> Next(int limit) {
    if (!reader_) {
      TxnRequest request;
      AddCount(request.mutable_success(), person_key_);
      const auto response = co_await ReadSnapshot(transactor_, std::move(request));
      if (!response.ok()) co_return response.status();
      revision_ = response->header().revision();
      found_ = CountAt(*response, 0) > 0;
      reader_.emplace(transactor_, prefix_, Values::kWithout, revision_);
    }
    if (!found_) co_return std::vector<std::string>();
    const auto page = co_await reader_->Next(limit);
    if (!page.ok()) co_return page.status();
    co_return SecondIds(*page, index_);
  }

 private:
  Transactor& transactor_;
  const std::string person_key_;
  const std::string prefix_;
  const std::string_view index_;
  int64_t revision_ = 0;
  bool found_ = false;
  std::optional<PrefixReader> reader_;
};

class RelatoriosOfProfessor {
 public:
  RelatoriosOfProfessor(Transactor& transactor, const std::string& siape)
      : transactor_(transactor),
        turmas_(transactor, ProfessorKey(siape), ProfessorTurmaPrefix(siape),
                kProfessorTurmaPrefix) {}

  // One report, or none at the end.
  Task<Result<std::vector<project::RelatorioDisciplina>>> Next() {
    std::vector<project::RelatorioDisciplina> page;
    while (page.empty()) {
      if (siglas_.empty()) {
        auto siglas = co_await turmas_.Next(kTurmaPage);
        if (!siglas.ok()) co_return siglas.status();
        if (siglas->empty()) break;
        siglas_.assign(siglas->begin(), siglas->end());
      }
      std::string sigla = std::move(siglas_.front());
      siglas_.pop_front();
      auto report = co_await ReadRelatorio(transactor_, std::move(sigla), turmas_.revision());
      if (!report.ok()) co_return report.status();
      if (*report) page.push_back(std::move(**report));
    }
    co_return page;
  }

 private:
  Transactor& transactor_;
  TurmasOf turmas_;
  std::deque<std::string> siglas_;
};

class ResumosOfAluno {
 public:
  ResumosOfAluno(Transactor& transactor, const std::string& matricula)
      : transactor_(transactor),
        turmas_(transactor, AlunoKey(matricula), AlunoTurmaPrefix(matricula), kAlunoTurmaPrefix) {}

  Task<Result<std::vector<project::ResumoDisciplina>>> Next() {
    std::vector<project::ResumoDisciplina> page;
    // Classes whose discipline is just being removed are left out; a page of nothing else is not
    // the end.
    while (page.empty()) {
      const auto siglas = co_await turmas_.Next(kTurmaPage);
      if (!siglas.ok()) co_return siglas.status();
      if (siglas->empty()) break;
      auto resumos = co_await Join(*siglas);
      if (!resumos.ok()) co_return resumos.status();
      page = std::move(*resumos);
    }
    co_return page;
  }

 private:
  struct Row {
    project::ResumoDisciplina resumo;
    std::string professor;
  };

  Task<Result<std::vector<project::ResumoDisciplina>>> Join(std::vector<std::string> siglas) {
    TxnRequest request;
    for (const std::string& sigla : siglas) {
      AddGet(request.mutable_success(), DisciplinaKey(sigla), turmas_.revision());
      AddGet(request.mutable_success(), TurmaKey(sigla), turmas_.revision());
    }
    const auto response = co_await ReadSnapshot(transactor_, std::move(request));
    if (!response.ok()) co_return response.status();
    std::vector<Row> rows;
    for (int i = 0; i < response->responses_size(); i += 2) {
      const Status status = AddRow(*response, i, &rows);
      if (!status.ok()) co_return status;
    }
    if (rows.empty()) co_return std::vector<project::ResumoDisciplina>();
    Status status = co_await JoinProfessores(rows);
    if (status.ok()) status = co_await LeaveOutRemoved(rows);
    if (!status.ok()) co_return status;
    std::vector<project::ResumoDisciplina> resumos;
    resumos.reserve(rows.size());
    for (Row& row : rows) resumos.push_back(std::move(row.resumo));
    co_return resumos;
  }

  static Status AddRow(const TxnResponse& response, int index, std::vector<Row>* rows) {
    const auto* disciplina_pair = PairAt(response, index);
    const auto* turma_pair = PairAt(response, index + 1);
    if (disciplina_pair == nullptr || turma_pair == nullptr) return base::OkStatus();
    auto disciplina = DecodeDisciplina(disciplina_pair->value());
    if (!disciplina.ok()) return AboutKey(disciplina.status(), disciplina_pair->key());
    auto turma = DecodeTurma(turma_pair->value());
    if (!turma.ok()) return AboutKey(turma.status(), turma_pair->key());
    Row& row = rows->emplace_back();
    *row.resumo.mutable_disciplina() = std::move(*disciplina);
    row.resumo.set_totalalunos(turma->ocupadas);
    row.professor = std::move(turma->professor);
    return base::OkStatus();
  }

  Task<Status> JoinProfessores(std::vector<Row>& rows) {
    TxnRequest request;
    std::vector<Row*> with_professor;
    for (Row& row : rows) {
      if (row.professor.empty()) continue;
      AddGet(request.mutable_success(), ProfessorKey(row.professor), turmas_.revision());
      with_professor.push_back(&row);
    }
    if (with_professor.empty()) co_return base::OkStatus();
    const auto response = co_await ReadSnapshot(transactor_, std::move(request));
    if (!response.ok()) co_return response.status();
    for (size_t i = 0; i < with_professor.size(); ++i) {
      auto professor = ProfessorAt(*response, static_cast<int>(i));
      if (!professor.ok()) co_return professor.status();
      if (*professor) *with_professor[i]->resumo.mutable_professor() = std::move(**professor);
    }
    co_return base::OkStatus();
  }

  // Students who are being removed in steps hold their seats until their step, but are not shown.
  Task<Status> LeaveOutRemoved(std::vector<Row>& rows) {
    const std::string prefix = RemocaoKindPrefix(kKindAluno);
    PrefixReader markers(transactor_, prefix, Values::kWithout, turmas_.revision());
    const int at_once = store::kMaxTxnOperations / static_cast<int>(rows.size());
    while (true) {
      const auto page = co_await markers.Next(at_once);
      if (!page.ok()) co_return page.status();
      if (page->empty()) co_return base::OkStatus();
      TxnRequest request;
      for (const auto& marker : *page) {
        const auto aluno = IdOfKey(marker.key(), prefix);
        if (!aluno) co_return AboutKey(Status(Code::kDataLoss, "malformed key"), marker.key());
        for (const Row& row : rows) {
          AddCount(request.mutable_success(), MatriculaKey(row.resumo.disciplina().sigla(), *aluno),
                   turmas_.revision());
        }
      }
      const auto response = co_await ReadSnapshot(transactor_, std::move(request));
      if (!response.ok()) co_return response.status();
      for (int i = 0; i < response->responses_size(); ++i) {
        auto& resumo = rows[static_cast<size_t>(i) % rows.size()].resumo;
        if (CountAt(*response, i) > 0) resumo.set_totalalunos(resumo.totalalunos() - 1);
      }
    }
  }

  Transactor& transactor_;
  TurmasOf turmas_;
};

}  // namespace

void Reports::DetalhaDisciplina(std::string sigla, base::Done<project::RelatorioDisciplina> done) {
  if (!IsPossibleId(sigla)) return std::move(done)(project::RelatorioDisciplina());
  Run<project::RelatorioDisciplina>(transactor_.Enter(), Detalha(transactor_, std::move(sigla)),
                                    std::move(done));
}

std::unique_ptr<Cursor<project::RelatorioDisciplina>> Reports::ObtemDisciplinasProfessor(
    const std::string& siape) {
  using Source = RelatoriosOfProfessor;
  return std::make_unique<SourceCursor<project::RelatorioDisciplina, Source>>(
      transactor_, std::make_shared<Source>(transactor_, siape));
}

std::unique_ptr<Cursor<project::ResumoDisciplina>> Reports::ObtemDisciplinasAluno(
    const std::string& matricula) {
  using Source = ResumosOfAluno;
  return std::make_unique<SourceCursor<project::ResumoDisciplina, Source>>(
      transactor_, std::make_shared<Source>(transactor_, matricula));
}

}  // namespace matricula::domain
