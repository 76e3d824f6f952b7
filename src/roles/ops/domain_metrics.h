#pragma once

#include "common/domain/domain.h"
#include "roles/ops/sheet.h"

namespace matricula::roles {

// Enrollment: batches, seats, refusals.
void CollectDomain(domain::Domain& domain, Sheet& sheet);

}  // namespace matricula::roles
