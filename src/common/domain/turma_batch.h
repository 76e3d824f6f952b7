#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/domain/cadastro.h"
#include "common/domain/commit.h"
#include "common/domain/records.h"
#include "common/domain/turma_meter.h"
#include "common/domain/txn.h"

namespace matricula::domain {

// One request that waits for its class.
struct TurmaRequest {
  Enrollment kind = Enrollment::kAdd;
  std::string aluno;
  std::string request_id;  // empty: none
  Answer done;
  int64_t arrived_ms = 0;  // monotonic
};

// What is known of a class: enough to write to it without reading it first.
struct TurmaKnown {
  int64_t disciplina_revision = 0;
  int32_t vagas = 0;
  int64_t turma_revision = 0;
  Turma turma;

  // Whether nothing but a touch (see AddTouch) lies between this and what is known now.
  bool IsTouched(const TurmaKnown& now) const {
    return now.turma_revision != turma_revision && now.turma == turma &&
           now.disciplina_revision == disciplina_revision;
  }
};

// Requests of one class that are judged and written together, in arrival order.
class TurmaBatch {
 public:
  TurmaBatch(std::string sigla, TurmaMeter& meter) : sigla_(std::move(sigla)), meter_(meter) {}

  // False: it belongs to a later batch, because this one is full, or has a request of the same
  // student or with the same request id. An empty batch takes any request.
  bool TryAdd(TurmaRequest& request);
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }

  // Takes for granted what is known of the class, and of each student that he may; the compares
  // will tell. False: somebody would be refused, which takes a look.
  bool JudgeFrom(const TurmaKnown& known);

  // Judges by what was read: answers whoever need not wait for the write. Fails if a record is
  // malformed; nobody has been answered then.
  base::Status JudgeFrom(const etcdserverpb::TxnResponse& response, int first);

  // The class as it was judged, or nothing if there is none.
  const std::optional<TurmaKnown>& known() const { return known_; }

  // The reads that JudgeFrom expects, for all who are not yet answered.
  void AddReads(Operations* operations) const;

  // Whoever is to be written, if anybody.
  bool HasWrites() const { return !entries_.empty() && writes_ > 0; }
  int CountPedidos() const;
  // The write. `em`: the time of the enrollments. Its failure branch has the reads that JudgeFrom
  // expects, after a touch of the class if `touch`.
  etcdserverpb::TxnRequest Build(int64_t lease_id, std::string_view em, bool touch) const;

  // The write took effect: answers everybody.
  void AnswerWritten(const Outcome& outcome);
  void AnswerAll(const base::Status& error);

  // Requests that were taken in since the last call of this function.
  int TakeCount() { return std::exchange(taken_, 0); }

 private:
  enum class Fate { kWrite, kNoSeat };
  struct Entry {
    TurmaRequest request;
    uint64_t aluno_hash = 0;
    uint64_t request_hash = 0;  // 0: no request id
    Fate fate = Fate::kWrite;
  };
  // The answer that an entry gets at once, if any.
  using Verdict = std::optional<project::Status>;

  base::Status ReadKnown(const etcdserverpb::TxnResponse& response, int first);
  base::Result<Verdict> JudgeEntry(Entry& entry, const etcdserverpb::TxnResponse& response,
                                   int* index, int32_t* ocupadas) const;
  void AddEntry(etcdserverpb::TxnRequest& txn, const Entry& entry, int64_t lease_id,
                std::string_view em) const;
  std::string PedidoOp(const TurmaRequest& request) const;
  void Answer(TurmaRequest& request, project::Status answer);

  const std::string sigla_;
  TurmaMeter& meter_;
  std::vector<Entry> entries_;
  std::optional<TurmaKnown> known_;
  int32_t ocupadas_after_ = 0;  // once it is written
  int writes_ = 0;
  int operations_ = 0;  // of the longest list of the transaction
  size_t bytes_ = 0;    // of the transaction, roughly
  int taken_ = 0;
};

}  // namespace matricula::domain
