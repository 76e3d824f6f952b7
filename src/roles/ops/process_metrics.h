#pragma once

#include "roles/ops/sheet.h"

namespace matricula::roles {

// What the kernel knows of this process (proc(5)), under Prometheus' usual names.
void CollectProcess(Sheet& sheet);

}  // namespace matricula::roles
