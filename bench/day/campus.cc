#include "bench/day/campus.h"

#include "bench/day/names.h"
#include "bench/day/offers.h"
#include "bench/day/random.h"
#include "common/base/ensure.h"

namespace matricula::day {

Campus MakeCampus(const CampusOptions& options) {
  ENSURE(options.students > 0 && options.classes >= kFewestClasses, "a campus too small");
  Random random(options.seed);
  Campus campus;
  for (int n = 0; n < options.students; ++n) {
    campus.alunos.push_back({.matricula = Matricula(n), .nome = PersonName(random)});
  }
  const int teachers = (options.classes + kClassesPerTeacher - 1) / kClassesPerTeacher;
  for (int n = 0; n < teachers; ++n) {
    campus.professores.push_back({.siape = Siape(n), .nome = PersonName(random)});
  }
  const int64_t wishes = int64_t{options.students} * kWishesPerStudent;
  uint32_t n = 0;
  for (const Offer& offer : MakeOffers(options.classes, options.students, wishes, random)) {
    campus.turmas.push_back({.sigla = Sigla(n),
                             .nome = ClassName(random),
                             .vagas = offer.vagas,
                             .demanda = offer.demanda,
                             .professor = n / kClassesPerTeacher});
    ++n;
  }
  return campus;
}

}  // namespace matricula::day
