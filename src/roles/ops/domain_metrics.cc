#include "roles/ops/domain_metrics.h"

namespace matricula::roles {

void CollectDomain(domain::Domain& domain, Sheet& sheet) {
  const domain::TurmaStats stats = domain.turmas().Stats();
  sheet.Counter("matricula_enrollments_total", "Seats taken.", static_cast<double>(stats.enrolled));
  sheet.Counter("matricula_drops_total", "Seats given back by a student's wish.",
                static_cast<double>(stats.dropped));
  for (size_t i = 0; i < std::size(domain::kRefusalReasons); ++i) {
    sheet.Counter("matricula_refusals_total", "Enrollments and drops refused, by reason.",
                  static_cast<double>(stats.refused[i]),
                  {{"reason", std::string(domain::kRefusalReasons[i])}});
  }
  sheet.Counter("matricula_enrollment_failures_total",
                "Enrollments and drops that ended in trouble of ours, overload included.",
                static_cast<double>(stats.failed));
  sheet.Counter("matricula_enrollment_conflicts_total",
                "Writes of a class that another server was quicker than.",
                static_cast<double>(stats.conflicts));
  sheet.Gauge("matricula_enrollments_waiting", "Enrollments and drops not answered yet.",
              stats.waiting);
  sheet.Histogram("matricula_enrollment_batch_size",
                  "Requests that were judged and written together.", stats.batch_sizes, 1);
}

}  // namespace matricula::roles
