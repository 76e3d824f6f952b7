#pragma once

#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "common/domain/cadastro.h"
#include "common/domain/check.h"
#include "common/domain/commit.h"
#include "common/domain/docentes.h"
#include "common/domain/reports.h"
#include "common/domain/rules.h"
#include "common/domain/timer.h"
#include "common/domain/turma_queue.h"
#include "common/store/store.h"

namespace matricula::domain {

// The whole domain over one store, for whoever serves it. All calls may be made from any thread;
// none blocks. The store must outlive it.
class Domain {
 public:
  struct Options {
    int min_length = kDefaultMinLength;  // --min-length
    TurmaQueueLimits queue;
  };

  Domain(store::Store& store, const base::Clock& clock, Options options);
  // Closes, and waits for the calls under way: for what the store has been asked it must answer,
  // nothing is retried any more. Must not run on a thread of the store.
  ~Domain();

  // From now on new calls are answered Unavailable, and those under way end soon.
  void Close();

  Cadastro& cadastro() { return cadastro_; }
  Docentes& docentes() { return docentes_; }
  TurmaQueue& turmas() { return turmas_; }
  Reports& reports() { return reports_; }
  Transactor& transactor() { return transactor_; }

 private:
  ThreadTimer timer_;
  Transactor transactor_;
  Cadastro cadastro_;
  Docentes docentes_;
  TurmaQueue turmas_;
  Reports reports_;
};

}  // namespace matricula::domain
