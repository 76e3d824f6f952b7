#include "common/domain/turma_meter.h"

#include <algorithm>

#include "common/domain/rules.h"

namespace matricula::domain {
namespace {

// In the order of kRefusalReasons.
constexpr std::string_view kTexts[] = {recusa::kSemVagas,
                                       recusa::kSemDisciplina,
                                       recusa::kSemAluno,
                                       recusa::kJaMatriculado,
                                       recusa::kNaoMatriculado,
                                       recusa::kPedidoInvalido,
                                       recusa::kPedidoDeOutraOperacao};
static_assert(std::size(kTexts) == std::size(kRefusalReasons));

}  // namespace

void TurmaMeter::Answered(Enrollment kind, const project::Status& answer) {
  if (answer.status() == 0) {
    (kind == Enrollment::kAdd ? enrolled_ : dropped_).Add();
    return;
  }
  const auto* text = std::find(std::begin(kTexts), std::end(kTexts), answer.msg());
  if (text != std::end(kTexts)) refused_[static_cast<size_t>(text - kTexts)].Add();
}

TurmaStats TurmaMeter::Stats() const {
  TurmaStats stats;
  for (size_t i = 0; i < refused_.size(); ++i) stats.refused[i] = refused_[i].Get();
  stats.enrolled = enrolled_.Get();
  stats.dropped = dropped_.Get();
  stats.failed = failed_.Get();
  stats.conflicts = conflicts_.Get();
  stats.batch_sizes = batch_sizes_.Snapshot();
  return stats;
}

}  // namespace matricula::domain
