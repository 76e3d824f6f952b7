#include "common/domain/domain.h"

namespace matricula::domain {

Domain::Domain(store::Store& store, const base::Clock& clock, Options options)
    : timer_(clock),
      transactor_(store, timer_, clock, {}),
      cadastro_(transactor_, Rules(options.min_length)),
      docentes_(transactor_),
      turmas_(transactor_, options.queue),
      reports_(transactor_) {}

Domain::~Domain() {
  Close();
  transactor_.Drain();
}

void Domain::Close() {
  transactor_.Close();
  timer_.Close();
}

}  // namespace matricula::domain
