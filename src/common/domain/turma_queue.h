#pragma once

#include <memory>
#include <string>

#include "common/domain/cadastro.h"
#include "common/domain/turma_meter.h"
#include "matricula.pb.h"

namespace matricula::domain {

// Bounds of the waiting requests; one more is answered ResourceExhausted.
struct TurmaQueueLimits {
  int waiting_per_turma = 5'000;
  int waiting_in_all = 50'000;
  // Classes whose last known state is kept while nobody waits for them.
  int idle_turmas = 10'000;
};

// Enrolling and dropping. Each class has a queue: whatever waits in it, up to what fits, becomes
// one transaction that compares the class, the counter and each student's record and writes all
// who fit, in arrival order. One transaction per class is under way at a time.
//
// A refusal is only ever said from data read linearizably after the request arrived. The first
// reason that applies is given: class, student, already enrolled (or not enrolled), seats.
class TurmaQueue {
 public:
  explicit TurmaQueue(Transactor& transactor, TurmaQueueLimits limits = {});
  ~TurmaQueue();

  void AdicionaAluno(project::DisciplinaPessoa par, std::string request_id, Answer done);
  void RemoveAluno(project::DisciplinaPessoa par, std::string request_id, Answer done);

  // For metrics.
  TurmaStats Stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matricula::domain
